"""Bring the annotations of a data set of crowded scenes to COCO's format, or repair such a file.

    spatialattn convert crowdhuman annotation_val.odgt --images Images --out val.json
    spatialattn convert visdrone annotations --images images --out val.json
    spatialattn convert coco val.json
    spatialattn convert coco val.json --out repaired.json

Formats: crowdhuman (.odgt), ochuman (JSON), and folders of widerperson, visdrone, citypersons, voc
and yolo. Visible boxes, occlusion and truncation are kept; regions to be ignored become crowd
regions. Images are not opened, but for their headers where the annotations lack the sizes.

With coco the file is checked: what would be refused or miscounted is listed, and --out writes a
repaired copy.
"""

from typing import Any, Optional

from ._command import Parser, command, maybe_write_json, print_next, progress, show


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('convert', __doc__)
    parser.add_argument('format', metavar='FORMAT', help='one of those above, or coco')
    parser.add_argument('source', metavar='SOURCE', help='file or folder of the annotations')
    parser.add_argument('--out', metavar='FILE', help='COCO annotation file to write')
    parser.add_argument('--images', metavar='DIR', help='folder of the images')
    parser.add_argument(
        '--classes', metavar='A,B,...', help='names of the classes, where there are numbers only'
    )
    parser.add_json()
    args = parser.parse_args(argv)

    from ..io import write_json

    if args.format == 'coco':
        data, summary = _repaired(args.source)
        maybe_write_json(args.json, summary)
    else:
        if not args.out:
            parser.error('the annotations need a file: --out FILE')
        from ..coco.convert import convert

        data, conversion = convert(
            args.format,
            args.source,
            images=args.images,
            classes=tuple(args.classes.split(',')) if args.classes else (),
            progress=progress('reading'),
        )
        show(conversion)
        maybe_write_json(args.json, conversion.to_dict())
    if args.out:
        write_json(args.out, data, indent=None)
        print(f'\n{args.out}: written')
        print_next(f'spatialattn clutter {args.out}, to see how crowded it is')
    return 0


def _repaired(source: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Return a repaired annotation file, and print what had to be done."""
    from ..coco import load_annotations
    from ..coco.repair import repair
    from ..errors import error_prefix
    from ..io import read_json

    with error_prefix(source):
        data, repairs = repair(read_json(source))
        notes = load_annotations(data).notes
    for what, number in repairs.items():
        print(f'{number} x {what}')
    for note in notes:
        print(f'Note: {note}')
    if not repairs:
        print(f'{source}: nothing to repair')
    return data, repairs
