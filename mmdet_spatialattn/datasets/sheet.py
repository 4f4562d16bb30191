"""Pictures of a data set: boxes drawn on images, images in a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from ..io import PathLike, atomic_path, read_json

_INK, _RIM = '#ffffff', '#000000'
_GAP = 6
_HEADER = 22


class Mark(NamedTuple):
    """A box to draw: x, y, width, height in pixels of the image, and a label."""

    box: Sequence[float]
    label: str


def draw(image: Image.Image, marks: Sequence[Mark], scale: int = 2) -> Image.Image:
    """Return the image enlarged ``scale`` times, with the marks on it."""
    picture = image.convert('RGB').resize((image.width * scale, image.height * scale))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(11)
    for box, label in marks:
        x, y, w, h = (scale * value for value in box)
        for margin, colour in ((1, _RIM), (0, _INK)):  # a dark rim shows on any background
            corners = (x - margin, y - margin, x + w - 1 + margin, y + h - 1 + margin)
            pen.rectangle(corners, outline=colour)
        pen.text((x + 2, y), label, fill=_INK, font=font, stroke_width=1, stroke_fill=_RIM)
    return picture


def write_sheet(
    path: PathLike, header: Sequence[str], rows: Sequence[Sequence[Image.Image]]
) -> None:
    """Write a table of images of one size, with a title over each column, as PNG."""
    width, height = rows[0][0].size
    size = (
        len(header) * (width + _GAP) + _GAP,
        len(rows) * (height + _GAP) + _HEADER,
    )
    sheet = Image.new('RGB', size, '#ffffff')
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(header):
        x = _GAP + column * (width + _GAP)
        pen.text((x, 4), title, fill='#000000', font=ImageFont.load_default(13))
        for row, images in enumerate(rows):
            sheet.paste(images[column], (x, _HEADER + row * (height + _GAP)))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format='PNG')


def preview(folder: PathLike, path: PathLike, scenes: int = 6) -> None:
    """Write a picture of the first validation scenes: a row per scene, a column per level.

    The first column shows the boxes of the objects as well.

    Raises:
        UserError: The set cannot be read, or the picture cannot be written.
    """
    folder = Path(folder)
    val = read_json(folder / 'annotations' / 'val.json')
    names = {c['id']: c['name'] for c in val['categories']}
    levels = sorted({image['level'] for image in val['images']})
    rows: dict[int, list[Image.Image]] = {}
    for image in val['images']:
        if image['scene'] >= scenes:
            continue
        row = rows.setdefault(image['scene'], [])
        marks = [
            Mark(annotation['bbox'], names[annotation['category_id']])
            for annotation in val['annotations']
            if annotation['image_id'] == image['id'] and not row
        ]
        with Image.open(folder / 'images' / image['file_name']) as pixels:
            row.append(draw(pixels, marks))
    write_sheet(path, [f'level {level}' for level in levels], list(rows.values()))
