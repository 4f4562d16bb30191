"""Show every attention module of a config's detector: where it sits, what it costs, what is wrong.

    spatialattn audit configs/clutter_digits/retinanet_r18-narrow_fpn-cbam_4e_clutter-digits.py
    spatialattn audit CONFIG --size 800 1344 --json audit.json

One row per module: channels, size of its maps at the config's test size (for stage 2 of a ResNet,
100x168 positions), whether it trains or which setting freezes it, which statistics its BatchNorm
uses, what it does to its input when built (identity, or the factor), how its cost grows, and the
memory it keeps for the backward pass. Below stand warnings, each with the remedy. Builds the
detector, but loads no weights and no data.
"""

from typing import Optional

from ..errors import UserError
from ._command import Parser, command, maybe_write_json
from ._runner import add_config_options, load_config


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('audit', __doc__)
    parser.add_argument('config', help='config file')
    add_config_options(parser)
    parser.set_defaults(launcher='none', work_dir=None)
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help="of the image (default: the config's test size)",
    )
    parser.add_json()
    args = parser.parse_args(argv)
    if args.size and min(args.size) < 1:
        raise UserError(f'--size: height and width must be positive, got {args.size}')

    from ..experiments.checks import build_checked_model
    from ..insertion.audit_detector import audit_detector, input_size

    config = load_config(args, needed=('model',))
    report = audit_detector(build_checked_model(config), config, args.size)
    print(report)
    if report.modules and not args.size and input_size(config) is None:
        print('the config does not resize its images; --size HEIGHT WIDTH gives their size')
    maybe_write_json(args.json, report.to_dict())
    return 0
