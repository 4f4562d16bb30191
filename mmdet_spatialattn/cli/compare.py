"""Compare detectors overall and in clutter, with confidence intervals.

    spatialattn compare val.json baseline.json cbam.json --html page.html --images val/
    spatialattn compare val.json --arm baseline a0.json a1.json --arm cbam b0.json b1.json

Every file holds the detections of one run. Files given by position are arms of one run each, named
by their files; the runs of an arm given with --arm differ in the training seed. The first arm is
the baseline. A file may be a list in COCO's result format (detectron2's coco_instances_results.json
is one), what `test --out` or `test --out-json` writes, MMDetection's results.pkl, or FiftyOne's
export of predictions in COCO format. An image_id may be a file name, with or without its suffix.

Objects are sorted into strata by the share of their box that other boxes cover
(--strata cover:0.1,0.3); MEASURE:qN makes N strata of equal size. The clutter gain, which is the
effect in the most cluttered stratum minus that in the least cluttered one, shows whether an arm
helps in clutter: more parameters raise the AP everywhere.
"""

import argparse
from pathlib import Path
from typing import Optional

from ..errors import UserError, require
from ._command import Parser, command, maybe_write_json, print_page, progress, show

SUFFIXES = ('.json', '.pkl', '.pickle')
"""Of files of detections."""


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('compare', __doc__)
    parser.add_argument('annotations', metavar='VAL.json', help='COCO annotations')
    parser.add_argument(
        'files', nargs='*', metavar='FILE', help='detections; every file is an arm of one run'
    )
    parser.add_argument(
        '--arm',
        nargs='+',
        action='append',
        default=[],
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
    parser.add_argument(
        '--max-detections',
        type=int,
        default=100,
        metavar='N',
        help='detections of a class and image that count; more than 100 where images hold more '
        'objects (100)',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the bootstrap (0)')
    parser.add_argument(
        '--engine',
        default='auto',
        help='matching backend: compiled, or pycocotools, the slow reference',
    )
    parser.add_argument('--html', metavar='PAGE', help='write a page to PAGE')
    parser.add_argument(
        '--images', metavar='DIR', help='folder of the images; the page shows some of them'
    )
    parser.add_json()
    args = parser.parse_args(argv, intermixed=True)
    if args.images and not args.html:
        raise UserError('--images shows images on the page; give the page with --html PAGE too')
    arms = _arms(args)

    from ..comparison import compare
    from ..evaluation.metrics import max_detections_up_to

    if args.html:
        from ..report import write_comparison_page

        require('jinja2', 'report')  # what the page needs, before the work

    comparison = compare(
        args.annotations,
        arms,
        baseline=args.baseline,
        strata=args.strata,
        n_boot=args.n_boot,
        seed=args.seed,
        engine=args.engine,
        iou_type=args.iou_type,
        max_detections=max_detections_up_to(args.max_detections),
        progress=progress('comparing'),
        group_by=args.group_by,
    )
    show(comparison)
    maybe_write_json(args.json, comparison.to_dict())
    if args.html:
        write_comparison_page(comparison, args.html, images=args.images)
        print_page(args.html)
    return 0


def _arms(args: argparse.Namespace) -> dict[str, list[str]]:
    """Return the arms that the arguments name, each with the files of its runs."""
    if args.files and args.arm:
        raise UserError(
            f'{args.files[0]} is given by position, and other arms with --arm; give all arms in '
            'one way'
        )
    if not args.files and not args.arm:
        raise UserError(
            f'no detections to compare on {args.annotations}; give two files or more after it, or '
            '--arm NAME FILE ... twice or more'
        )
    return _named_arms(args.arm) if args.arm else _arms_of_files(args.files)


def _named_arms(given: list[list[str]]) -> dict[str, list[str]]:
    arms: dict[str, list[str]] = {}
    for name, *files in given:
        if name in arms:
            raise UserError(f"arm '{name}' is given twice; give all its files after one --arm")
        if name.endswith(SUFFIXES) or not files:
            raise UserError(
                f'--arm {" ".join([name, *files])}: expected a name and then the files of its runs'
            )
        arms[name] = files
    return arms


def _arms_of_files(files: list[str]) -> dict[str, list[str]]:
    arms: dict[str, list[str]] = {}
    for file in files:
        name = Path(file).stem
        if name in arms:
            raise UserError(
                f"{arms[name][0]} and {file} would both be the arm '{name}'; give the arms names: "
                f'--arm NAME {arms[name][0]} --arm OTHER {file}'
            )
        arms[name] = [file]
    return arms
