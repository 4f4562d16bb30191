"""Draw the placements: a bottleneck with its stage, and an FPN, as SVG for the documentation.

python tools/dev/drawings.py            write
python tools/dev/drawings.py --check    exit 1 when a drawing is not current
"""

import argparse
import sys
from pathlib import Path
from typing import Optional

FOLDER = Path(__file__).resolve().parents[2] / 'docs'
INK, HOST, MARK, PAPER = '#24292f', '#eaeef2', '#b35900', '#ffffff'


class Drawing:
    """Boxes of the host, arrows between them, and marks where attention can sit."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif" font-size="13" fill="{INK}">',
            f'<title>{title}</title>',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{INK}"/></marker>',
            '</defs>',
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        ]

    def box(self, x: int, y: int, text: str, width: int = 84, dashed: bool = False) -> None:
        """Draw a part of the host, centred at (x, y)."""
        dash = ' stroke-dasharray="4 3"' if dashed else ''
        self.parts.append(
            f'<rect x="{x - width / 2:g}" y="{y - 15}" width="{width}" height="30" rx="4" '
            f'fill="{HOST}" stroke="{INK}"{dash}/>'
        )
        self.text(x, y + 5, text)

    def text(self, x: int, y: int, text: str, colour: str = INK, anchor: str = 'middle') -> None:
        self.parts.append(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{text}</text>'
        )

    def arrow(self, *points: tuple[int, int]) -> None:
        path = ' '.join(f'{x},{y}' for x, y in points)
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{INK}" marker-end="url(#tip)"/>'
        )

    def mark(self, x: int, y: int, name: str, dx: int = 0, dy: int = -12) -> None:
        """Mark a placement on an arrow."""
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="6" fill="{MARK}"/>')
        self.text(x + dx, y + dy, name, MARK)

    def svg(self) -> str:
        return '\n'.join([*self.parts, '</svg>', ''])


def bottleneck() -> str:
    """A stage of a ResNet, and the inside of one of its bottlenecks."""
    d = Drawing(960, 330, 'Placements in a ResNet: a stage, and the bottleneck inside')
    d.text(20, 28, 'A ResNet and one of its stages', anchor='start')
    y = 80
    for x, text in ((70, 'stem'), (250, 'max-pool'), (450, 'block 0'), (590, 'block 1')):
        d.box(x, y, text)
    d.box(760, y, 'last block')
    d.arrow((112, y), (208, y))
    d.arrow((292, y), (408, y))
    d.arrow((492, y), (548, y))
    d.arrow((632, y), (718, y))
    d.arrow((802, y), (920, y))
    d.text(675, y - 8, '...')
    d.mark(160, y, 'stem')
    d.mark(350, y, 'before_stage')
    d.mark(860, y, 'after_stage')
    d.parts.append(
        f'<rect x="395" y="50" width="420" height="60" rx="6" fill="none" stroke="{INK}" '
        'stroke-dasharray="4 3"/>'
    )
    d.text(20, 160, 'A bottleneck', anchor='start')
    y = 230
    names = ('conv1, norm, ReLU', 'conv2, norm, ReLU', 'conv3, norm')
    for x, text in zip((140, 355, 560), names):
        d.box(x, y, text, width=130)
    d.box(720, y, '+', width=30)
    d.box(800, y, 'ReLU', width=56)
    d.arrow((20, y), (75, y))
    d.arrow((205, y), (290, y))
    d.arrow((420, y), (495, y))
    d.arrow((625, y), (705, y))
    d.arrow((735, y), (772, y))
    d.arrow((828, y), (930, y))
    d.arrow((40, y), (40, 295), (720, 295), (720, 245))
    d.text(380, 290, 'identity, or downsample')
    for x, name in ((247, 'after_conv1'), (458, 'after_conv2'), (664, 'after_conv3')):
        d.mark(x, y, name, dy=-24)
    d.mark(880, y, 'after_add')
    return d.svg()


def fpn() -> str:
    """Three levels of an FPN and a pooled one, with the guide from the top."""
    d = Drawing(960, 400, 'Placements in a feature pyramid, and where a guide comes from')
    for x, text in ((60, 'backbone'), (280, 'lateral_convs'), (590, 'fpn_convs'), (890, 'heads')):
        d.text(x, 28, text)
    rows = ((2, 100), (1, 210), (0, 320))
    for level, y in rows:
        d.box(60, y, f'C{level + 3}', width=60)
        d.box(280, y, f'1x1, level {level}', width=110)
        d.box(590, y, f'3x3, level {level}', width=110)
        d.box(890, y, f'P{level + 3}', width=60)
        d.arrow((90, y), (225, y))
        d.arrow((645, y), (860, y))
        if level == 2:
            d.arrow((335, y), (535, y))
        else:
            d.arrow((335, y), (417, y))
            d.arrow((447, y), (535, y))
            d.box(432, y, '+', width=30)
        d.mark(160, y, 'input')
        d.mark(376, y, 'lateral')
        d.mark(492, y, 'merge')
        d.mark(755, y, 'output')
    for upper, lower in ((100, 210), (210, 320)):
        d.arrow((432, upper + (0 if upper == 100 else 15)), (432, lower - 15))
        d.text(440, (upper + lower) // 2 + 5, 'upsampled', anchor='start')
    d.box(890, 52, 'P6', width=60, dashed=True)
    d.arrow((690, 100), (690, 52), (860, 52))
    d.text(700, 46, 'pooled, or convolved', anchor='start')
    d.mark(846, 52, 'output', dx=-20, dy=22)
    d.parts.append(
        f'<polyline points="110,100 110,370 376,370 376,332" fill="none" stroke="{MARK}" '
        'stroke-dasharray="5 4"/>'
    )
    d.text(243, 388, "guide='top': the top-most input directs the attention", MARK)
    return d.svg()


DRAWINGS = {'bottleneck.svg': bottleneck, 'fpn.svg': fpn}


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='write nothing, exit 1 on drift')
    args = parser.parse_args(argv)
    drifted = []
    for name, draw in DRAWINGS.items():
        path, svg = FOLDER / name, draw()
        if not path.is_file() or path.read_text(encoding='utf-8') != svg:
            drifted.append(name)
            if not args.check:
                path.write_text(svg, encoding='utf-8')
    for name in drifted:
        print(f'{name}: {"drifted; run python tools/dev/drawings.py" if args.check else "written"}')
    return 1 if drifted and args.check else 0


if __name__ == '__main__':
    sys.exit(main())
