"""Show every attention module of a config's detector: its placement, its cost, its problems.

    spatialattn audit mmdet_spatialattn::cbam/retinanet_r50-cbam-c3-c5_fpn_1x_coco.py
    spatialattn audit CONFIG --size 800 1344 --json audit.json

One row per module: channels, size of its maps at the config's test size (100x168 positions in stage
2 of a ResNet), whether it trains or which setting freezes it, the statistics that its BatchNorm
uses, its effect on its input when built (identity, or a factor), how its cost grows, and the memory
that it keeps for the backward pass. Warnings follow, each with the remedy. The detector is built,
but neither weights nor data are loaded.
"""

from typing import Optional

from ..errors import UserError
from ._command import Parser, command, maybe_write_json, print_next
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
        help="size of the image (default: the config's test size)",
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
        print('the config does not resize its images; give their size with --size HEIGHT WIDTH')
    maybe_write_json(args.json, report.to_dict())
    if report.modules:
        print_next(f'spatialattn train {args.config}')
    else:
        print_next('spatialattn list shows what can be inserted, and where it goes in a config')
    return 0
