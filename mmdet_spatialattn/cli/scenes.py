"""Generate the clutter digits: scenes at several levels of clutter, in COCO's format.

    spatialattn scenes --out data/clutter_digits --images 1000 --levels 0-4 --preview digits.png

Real handwritten digits (from scikit-learn, without a download) overlap on a smooth background,
among fragments of other digits. The level determines the number of fragments; the objects and their
annotations (boxes, masks, the exact share `cover` of each box under other boxes) are the same at
all levels. The set is a function of its parameters. If the folder holds it already, nothing is
written.
"""

import argparse
import re
from typing import Optional

from ._command import Parser, command, print_next, print_page, progress


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('scenes', __doc__)
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the set')
    parser.add_argument(
        '--images',
        type=int,
        default=1000,
        metavar='N',
        help='number of scenes, each rendered at every level; one in five is for validation '
        '(default 1000)',
    )
    parser.add_argument(
        '--levels',
        type=_levels,
        default='0-4',
        metavar='L',
        help='clutter levels: 0-4 (default), or 2, or 0,2,4',
    )
    parser.add_argument(
        '--size', type=int, default=160, help='side of the images in pixels (default 160)'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the set (default 0)')
    parser.add_argument(
        '--mixed',
        action='store_true',
        help='render each scene at one level, the levels in turn: as many independent scenes as '
        'images',
    )
    parser.add_argument('--preview', metavar='PNG', help='write a picture of the first scenes')
    args = parser.parse_args(argv)

    from ..datasets.scenes import write_scenes
    from ..errors import require

    if args.preview:  # before the work, not after it
        require('PIL', 'demo')
    written = write_scenes(
        args.out,
        images=args.images,
        levels=args.levels,
        size=args.size,
        seed=args.seed,
        mixed=args.mixed,
        progress=progress('scenes'),
    )
    n_files = args.images * (1 if args.mixed else len(args.levels))
    outcome = 'written' if written else 'exist already'
    print(f'{args.out}: {n_files} images {outcome}')
    if args.preview:
        from ..datasets.sheet import preview

        preview(args.out, args.preview)
        print_page(args.preview)
    print_next('train on it, with --cfg-options data_root=DIR: spatialattn help train')
    return 0


def _levels(text: str) -> list[int]:
    """Read '0-4', '2' or '0,2,4'."""
    levels: set[int] = set()
    if re.fullmatch(r'\d(-\d)?(,\d(-\d)?)*', text):
        for part in text.split(','):
            levels.update(range(int(part[0]), int(part[-1]) + 1))
    if not levels:
        raise argparse.ArgumentTypeError(
            f"levels go from 0 to 4 and are given as 0-4, 2 or 0,2,4, got '{text}'"
        )
    return sorted(levels)
