"""Measure how cluttered the objects and images of a COCO data set are.

    spatialattn clutter annotations/val.json --images images --html clutter.html

Prints the distribution of every measure, the correlation of the measures with each other and with
size, and the number of objects in the default strata. --out writes all numbers, by annotation id
and image id, for other tools; --html writes a page that needs no network. With --images the edges
and the congestion of the background are measured too, and the page shows the most and the least
cluttered images.
"""

from typing import Optional

from ._command import Parser, command, maybe_write_json, print_next, print_page, progress


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('clutter', __doc__)
    parser.add_argument('annotations', metavar='ANN.json', help='COCO annotations')
    parser.add_argument(
        '--images', metavar='DIR', help='folder that the file names are relative to'
    )
    parser.add_argument('--out', metavar='SIDECAR.json', help='write all numbers, by id')
    parser.add_argument('--html', metavar='PAGE.html', help='write a page with figures')
    parser.add_json()
    args = parser.parse_args(argv)

    from ..errors import require

    if args.html:  # before the work, not after it
        require('jinja2', 'report')
        require('plotly', 'report')

    from ..clutter import clutter_measures

    table = clutter_measures(args.annotations, args.images, progress=progress('images'))
    print(table)
    if args.out:
        table.to_json(args.out)
        print(f'\n{args.out}: written')
    if args.html:
        from ..report.clutter_page import write_clutter_page

        write_clutter_page(args.html, table, images_dir=args.images)
    maybe_write_json(args.json, table.summary())
    if args.html:
        print_page(args.html)
    else:
        print_next('add --html PAGE.html for a page with figures')
    return 0
