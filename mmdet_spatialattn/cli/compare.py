"""Compare detectors overall and in clutter, with confidence intervals.

    spatialattn compare val.json --arm baseline a0.json a1.json --arm cbam b0.json b1.json

Every file holds the detections of one run, in COCO's result format; the runs of an arm differ in
the training seed. The first arm is the baseline. Objects are sorted into strata by the share of
their box that other boxes cover (--strata cover:0.1,0.3); MEASURE:qN makes N strata of equal size.
The clutter gain, which is the effect in the most cluttered stratum minus that in the least
cluttered one, shows whether an arm helps in clutter: more parameters raise the AP everywhere.
"""

from typing import Optional

from ._command import Parser, command, maybe_write_json, progress, show


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('compare', __doc__)
    parser.add_argument('annotations', metavar='ANN.json', help='COCO annotations')
    parser.add_argument(
        '--arm',
        nargs='+',
        action='append',
        required=True,
        metavar=('NAME', 'FILE'),
        help='an arm and the detections of its runs; give it once per arm',
    )
    parser.add_argument(
        '--baseline',
        metavar='NAME',
        help='arm that the others are compared with (default: the first)',
    )
    parser.add_argument(
        '--strata',
        default='cover',
        metavar='RULE',
        help='MEASURE:CUT,... or MEASURE:qN (default: cover, which is cover:0.1,0.3)',
    )
    parser.add_argument(
        '--group-by',
        metavar='FIELD',
        help="field of the file's images (scene, video_id): images with the same value are not "
        'independent, and are resampled together',
    )
    parser.add_argument(
        '--iou-type', choices=('bbox', 'segm'), default='bbox', help='boxes or masks (default bbox)'
    )
    parser.add_argument(
        '--n-boot',
        type=int,
        default=1000,
        metavar='N',
        help='number of bootstrap replicates (1000)',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the bootstrap (0)')
    parser.add_argument(
        '--engine',
        default='auto',
        help='matching backend: compiled, or pycocotools, the slow reference',
    )
    parser.add_json()
    args = parser.parse_args(argv)

    from ..errors import UserError

    arms: dict[str, list] = {}
    for name, *files in args.arm:
        if name in arms:
            raise UserError(f"arm '{name}' is given twice; give all its files after one --arm")
        if name.endswith('.json') or not files:
            raise UserError(
                f'--arm {" ".join([name, *files])}: expected a name and then the files of its runs'
            )
        arms[name] = files

    from ..comparison import compare

    comparison = compare(
        args.annotations,
        arms,
        baseline=args.baseline,
        strata=args.strata,
        n_boot=args.n_boot,
        seed=args.seed,
        engine=args.engine,
        iou_type=args.iou_type,
        progress=progress('comparing'),
        group_by=args.group_by,
    )
    show(comparison)
    maybe_write_json(args.json, comparison.to_dict())
    return 0
