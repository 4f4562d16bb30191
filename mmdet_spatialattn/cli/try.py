"""Does attention help this detector on these images? From a config and a checkpoint to a page.

    spatialattn try CONFIG --attention CBAM --load-from detector.pth
    spatialattn try CONFIG --attention CBAM --data cells.json --images cells
    spatialattn try CONFIG --attention CBAM,ECA --at backbone --budget 2h --yes
    spatialattn try CONFIG --attention SE --at 'backbone\\.layer4\\.\\d+\\.conv2' --write-plan DIR

CONFIG is any config of MMDetection: a path, or mmdet::retinanet/retinanet_r18_fpn_1x_coco.py. The
detector is fine-tuned with each attention module, without one, and with a control that has as many
parameters, a few times each from the same start. What that takes and what it can show is printed
first; nothing is trained before you agree. The page is WORK_DIR/runs/report.html. The same command
resumes what was interrupted.
"""

import sys
from pathlib import Path
from typing import Optional

from ..errors import UserError
from ._command import Parser, command, maybe_write_json, print_next
from ._runner import add_config_options
from ._sweep import add_sweep_flags, print_result


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('try', __doc__)
    parser.add_argument('config', metavar='CONFIG', help='config of the detector')
    parser.add_argument(
        '--attention',
        required=True,
        metavar='NAME[,NAME...]',
        help='attention modules (spatialattn list shows all); each is an arm',
    )
    parser.add_argument(
        '--at',
        default='neck',
        metavar='PLACE',
        help='neck (default), backbone, both, several of them with commas, or a regular '
        'expression that the paths of modules match in full',
    )
    parser.add_argument(
        '--load-from',
        metavar='CKPT',
        help='checkpoint of the detector, file or address; without one it is trained first',
    )
    parser.add_argument(
        '--data',
        nargs='+',
        default=[],
        metavar='ANN',
        help='COCO annotation file, a fifth of whose images is held out for the test; or two, to '
        "train and to test on (default: the config's)",
    )
    parser.add_argument(
        '--images', metavar='DIR', help='folder of the images (default: that of ANN)'
    )
    parser.add_argument(
        '--steps',
        type=int,
        default=300,
        metavar='N',
        help='training steps of the fine-tuning, rounded up to epochs (default %(default)s)',
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument('--seeds', type=int, metavar='N', help='number of seeds (default 3)')
    size.add_argument(
        '--budget', metavar='TIME', help='as many seeds as fit into a time such as 2h or 90m'
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        '--work-dir', metavar='DIR', help='folder (default: work_dirs/try-NAME_OF_CONFIG)'
    )
    place.add_argument(
        '--write-plan', metavar='DIR', help='write plan and configs into this folder, run nothing'
    )
    parser.add_argument('--yes', action='store_true', help='start without asking')
    add_config_options(parser)
    add_sweep_flags(parser)
    parser.add_json()
    args = parser.parse_args(argv)

    from ..compat.doctor import require_host

    require_host()

    from ..experiments import propose, run_sweep
    from ..experiments.config import checked_options, read_config
    from ..experiments.placing import PLACES
    from ..experiments.proposal import parse_duration
    from ._progress_display import ProgressDisplay

    places = args.at.split(',')
    default = Path('work_dirs', f'try-{Path(args.config).stem}')
    proposal = propose(
        args.config,
        args.attention.split(','),
        folder=args.write_plan or args.work_dir or default,
        at=places if set(places) <= set(PLACES) else args.at,
        load_from=args.load_from,
        data=args.data,
        images=args.images,
        overrides=checked_options(read_config(args.config), args.cfg_options),
        steps=args.steps,
        seeds=args.seeds,
        budget=None if args.budget is None else parse_duration(args.budget),
        jobs=args.jobs,
        device=args.device,
    )
    print(proposal)
    by_hand = f'spatialattn sweep {proposal.plan_path} --work-dir {proposal.runs}'
    if args.write_plan or not (args.yes or _agreed(by_hand)):
        print_next(by_hand)
        maybe_write_json(args.json, proposal.to_dict())
        return 0
    result = run_sweep(
        proposal.plan,
        proposal.runs,
        jobs=args.jobs,
        device=args.device,
        progress=ProgressDisplay(),
    )
    print_result(result, proposal.runs)
    maybe_write_json(args.json, result.to_dict())
    return int(bool(result.failed))


def _agreed(by_hand: str) -> bool:
    """Ask whether to start.

    Raises:
        UserError: There is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise UserError(
            f'nothing was trained, because nobody can be asked here: add --yes, or give {by_hand}'
        )
    return input('\nStart? [y/N] ').strip().lower() in ('y', 'yes')
