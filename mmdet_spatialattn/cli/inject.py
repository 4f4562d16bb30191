"""Write a copy of a COCO data set with distractors pasted between its objects.

    spatialattn inject annotations/val.json --images images --severity 3 --out data/val_severity3 \\
        --patches-ann annotations/train.json --patches-images images

Distractors are fragments of objects and background from other images: those of --patches-ann, or
of the set itself. The objects and their annotations do not change: by default no pixel of any box
does. Distractors and their positions depend on the seed and the image id alone, and every severity
adds to the one below it, so that a detector's results over severities 1 to 5 are a dose-response
curve.
"""

from typing import Optional

from ._command import Parser, command, maybe_write_json, print_next, progress


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('inject', __doc__)
    parser.add_argument('annotations', metavar='ANN.json', help='COCO annotations')
    parser.add_argument(
        '--images', required=True, metavar='DIR', help='folder that the file names are relative to'
    )
    parser.add_argument('--severity', required=True, type=int, metavar='N', help='1 to 5')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the new set')
    parser.add_argument(
        '--patches-ann',
        metavar='JSON',
        help='annotations of the training set, from which distractors are cut',
    )
    parser.add_argument('--patches-images', metavar='DIR', help='folder of its images')
    parser.add_argument(
        '--seed', type=int, default=0, metavar='K', help='seed of the distractors (default 0)'
    )
    parser.add_argument(
        '--max-cover',
        type=float,
        default=0.0,
        metavar='SHARE',
        help='largest share of an object that may be covered, 0 to 1 (default 0)',
    )
    parser.add_json()
    args = parser.parse_args(argv)
    if (args.patches_ann is None) != (args.patches_images is None):
        parser.error('give --patches-ann and --patches-images together, or neither')

    from ..datasets.injection import ClutterInjection, write_injected

    injection = ClutterInjection(
        args.patches_ann or args.annotations,
        args.patches_images or args.images,
        args.severity,
        seed=args.seed,
        max_cover=args.max_cover,
        progress=progress('patches'),
    )
    record = write_injected(
        args.annotations, args.images, args.out, injection, progress=progress('images')
    )
    rows = record['images'].values()
    placed, planned = sum(row['placed'] for row in rows), record['distractors'] * len(rows)
    share = sum(row['share'] for row in rows) / len(rows)
    cover = max(row['largest_cover'] for row in rows)
    print(
        f'{args.out}: {len(rows)} images; {placed} of {planned} distractors were placed, on '
        f'{share:.1%} of the pixels; at most {cover:.1%} of an object is covered'
    )
    if placed < 0.9 * planned:
        print(
            'Warning: the objects leave little room, so this severity is weaker than on other '
            'sets; raise --max-cover to let distractors overlap objects'
        )
    maybe_write_json(args.json, record)
    print_next('test a detector on it, with --cfg-options test_dataloader.dataset.data_root=DIR')
    return 0
