"""Bring the pictures of a reader to one COCO file, and say what was dropped and why."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Optional

from ...errors import MissingFile, UserError, did_you_mean
from ...io import PathLike
from ...processors import Progress, silent
from ...results import Result
from ...tables import Table
from .formats import FORMATS, image_size
from .picture import Picture, Source


@dataclass(frozen=True)
class Conversion(Result):
    """What a conversion kept and dropped.

    Attributes:
        source: The annotations that were read.
        images: Number of images.
        objects: Number of objects, by class.
        crowd_regions: Number of regions in which nothing is counted.
        dropped: Number of annotations that were left out, by reason.
        without_size: Number of images whose size is not known.
    """

    FORMAT: ClassVar[str] = 'conversion'

    source: str
    images: int
    objects: dict[str, int]
    crowd_regions: int
    dropped: dict[str, int]
    without_size: int

    def tables(self) -> list[Table]:
        numbers = {
            **self.objects,
            'crowd regions': self.crowd_regions,
            **{f'dropped: {reason}': number for reason, number in self.dropped.items()},
        }
        rows = [(what, str(number)) for what, number in numbers.items()]
        return [Table(f'{self.source}: {self.images} images', ('annotations', 'number'), rows)]

    def __str__(self) -> str:
        text = super().__str__()
        if self.without_size:
            text += (
                f'\n\nNote: {self.without_size} images have no width and height, which MMDetection '
                'needs; give the folder of the images with --images DIR'
            )
        return text


def convert(
    name: str,
    source: PathLike,
    *,
    images: Optional[PathLike] = None,
    classes: tuple[str, ...] = (),
    progress: Progress = silent,
) -> tuple[dict[str, Any], Conversion]:
    """Convert a data set to COCO's format.

    Visible boxes, occlusion and truncation are kept as fields of the annotations. No image is
    opened, but for its header where the annotations lack its size and ``images`` is given.

    Args:
        name: One of :data:`~.formats.FORMATS`.
        source: File or folder of the annotations.
        images: Folder of the images.
        classes: Names of the classes, where the annotations have numbers only.
        progress: Wraps the images.

    Returns:
        The content of a COCO annotation file, and what was kept.

    Raises:
        UserError: The format is unknown, or a file is not in it; the message names the line.
    """
    if name not in FORMATS:
        raise UserError(
            f"unknown format '{name}'{did_you_mean(name, FORMATS)} (known: {', '.join(FORMATS)})"
        )
    given = Source(Path(source), None if images is None else Path(images), tuple(classes))
    if not given.path.exists():
        raise MissingFile(f'there is no {given.path}')
    if given.images is not None and not given.images.is_dir():
        raise MissingFile(f'there is no folder {given.images}')
    pictures: list[Picture] = list(progress(FORMATS[name](given), 0))
    if not pictures:
        raise UserError(f'{source} holds no images')
    dropped: Counter = sum((picture.dropped for picture in pictures), Counter())
    data = _coco(pictures, given)
    names = {category['id']: category['name'] for category in data['categories']}
    kept = Counter(names[row['category_id']] for row in data['annotations'] if not row['iscrowd'])
    conversion = Conversion(
        source=str(source),
        images=len(pictures),
        objects={label: kept[label] for label in names.values()},
        crowd_regions=sum(row['iscrowd'] for row in data['annotations']),
        dropped=dict(dropped),
        without_size=sum('width' not in image for image in data['images']),
    )
    return data, conversion


def _coco(pictures: list[Picture], source: Source) -> dict[str, Any]:
    labels = sorted({row['category'] for picture in pictures for row in picture.objects})
    order = source.classes or tuple(labels)
    ids = {label: i for i, label in enumerate([*order, *(x for x in labels if x not in order)], 1)}
    images: list[dict] = []
    rows: list[dict] = []
    for image_id, picture in enumerate(pictures, 1):
        image: dict[str, Any] = {'id': image_id, 'file_name': picture.file_name, **picture.fields}
        size = picture.size
        if size is None and source.images is not None:
            size = image_size(source.images / picture.file_name)
        if size is not None:
            image['width'], image['height'] = size
        images.append(image)
        for row in picture.objects:
            rest = {key: value for key, value in row.items() if key != 'category'}
            rows.append(
                {'id': len(rows) + 1, 'image_id': image_id, 'category_id': ids[row['category']],
                 **rest}
            )  # fmt: skip
    categories = [{'id': i, 'name': label} for label, i in ids.items()]
    return {'images': images, 'annotations': rows, 'categories': categories}
