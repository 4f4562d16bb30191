"""Readers of the formats in which sets of crowded scenes are published."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ...errors import UserError
from ...io import read_bytes, read_json
from .picture import Picture, Reader, Source, lines_of, numbers_of

IGNORED = {'iscrowd': 1, 'ignore': 1}
"""Fields of a region in which nothing is counted."""


def crowdhuman(source: Source) -> Iterator[Picture]:
    """Read CrowdHuman's ``annotation_train.odgt``: one JSON object per line and image.

    The box is the full one (``fbox``), and ``vbox`` the visible one. What is no person, or marked
    to be ignored, becomes a crowd region.
    """
    for number, line in lines_of(source.path):
        location = f'{source.path}, line {number}'
        try:
            record = json.loads(line)
            picture = Picture(f'{record["ID"]}.jpg')
            for box in record['gtboxes']:
                ignored = box['tag'] != 'person' or box.get('extra', {}).get('ignore') == 1
                visible = {'vbox': box['vbox']} if 'vbox' in box and not ignored else {}
                heads = {'hbox': box['hbox']} if 'hbox' in box and not ignored else {}
                picture.add(
                    'person', box['fbox'], **visible, **heads, **(IGNORED if ignored else {})
                )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f'{location}: expected an object with ID and gtboxes, each with tag and fbox, as '
                f"CrowdHuman's .odgt files have ({type(error).__name__}: {error})"
            ) from error
        yield picture


_WIDERPERSON = {1: 'pedestrian', 2: 'rider', 3: 'partially-visible person'}
_WIDERPERSON_IGNORED = {4, 5}  # ignore regions, crowds


def widerperson(source: Source) -> Iterator[Picture]:
    """Read WiderPerson's folder of ``NAME.jpg.txt``: a count, then class and corners per line."""
    for path in source.files('*.txt'):
        picture = Picture(path.name.removesuffix('.txt'))
        for number, line in lines_of(path):
            if number == 1:
                continue
            label, x1, y1, x2, y2 = numbers_of(line, f'{path}, line {number}', 5)[:5]
            if label in _WIDERPERSON:
                picture.add(_WIDERPERSON[int(label)], (x1, y1, x2 - x1, y2 - y1))
            elif label in _WIDERPERSON_IGNORED:
                picture.add('pedestrian', (x1, y1, x2 - x1, y2 - y1), **IGNORED)
            else:
                raise UserError(f'{path}, line {number}: unknown class {label:g}; expected 1 to 5')
        yield picture


_VISDRONE = (
    *('pedestrian', 'people', 'bicycle', 'car', 'van', 'truck', 'tricycle', 'awning-tricycle'),
    *('bus', 'motor'),
)


def visdrone(source: Source) -> Iterator[Picture]:
    """Read VisDrone-DET's folder of ``NAME.txt``, eight numbers per line.

    ``truncation`` (0 to 2) and ``occlusion`` (0 to 2) are kept. Ignored regions and "others" become
    crowd regions.
    """
    for path in source.files('*.txt'):
        picture = Picture(f'{path.stem}.jpg')
        for number, line in lines_of(path):
            values = numbers_of(line, f'{path}, line {number}', 8, ',')
            x, y, width, height, counted, label, truncation, occlusion = values[:8]
            fields = {'truncation': int(truncation), 'visdrone_occlusion': int(occlusion)}
            if not 0 <= label <= 11:
                raise UserError(f'{path}, line {number}: unknown class {label:g}; expected 0 to 11')
            if counted and 1 <= label <= 10:
                picture.add(_VISDRONE[int(label) - 1], (x, y, width, height), **fields)
            else:
                picture.add('pedestrian', (x, y, width, height), **IGNORED)
        yield picture


def ochuman(source: Source) -> Iterator[Picture]:
    """Read OCHuman's ``ochuman.json``; ``max_iou`` of each person is kept."""
    content = read_json(source.path)
    try:
        for image in content['images']:
            picture = Picture(image['file_name'], (int(image['width']), int(image['height'])))
            for person in image['annotations']:
                if person.get('bbox') is None:
                    picture.dropped['persons without a box'] += 1
                    continue
                x1, y1, x2, y2 = person['bbox']
                kept = {k: person[k] for k in ('max_iou',) if k in person}
                picture.add('person', (x1, y1, x2 - x1, y2 - y1), **kept)
            yield picture
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_as_published(source.path, 'OCHuman', error) from error


_CITYPERSONS = ('pedestrian', 'rider', 'sitting person', 'person (other)', 'person group')


def citypersons(source: Source) -> Iterator[Picture]:
    """Read CityPersons' folders of ``*_gtBboxCityPersons.json``; ``bboxVis`` is kept.

    Groups of persons and ignored regions become crowd regions.
    """
    for path in source.files('*_gtBboxCityPersons.json'):
        content = read_json(path)
        try:
            folder = path.parent.relative_to(source.path)
            name = path.name.replace('_gtBboxCityPersons.json', '_leftImg8bit.png')
            size = int(content['imgWidth']), int(content['imgHeight'])
            picture = Picture((folder / name).as_posix(), size)
            for entry in content['objects']:
                label = entry['label']
                if label in ('ignore', 'person group'):
                    picture.add('pedestrian', entry['bbox'], **IGNORED)
                elif label in _CITYPERSONS:
                    picture.add(label, entry['bbox'], bboxVis=entry['bboxVis'])
                else:
                    picture.dropped[f"objects of class '{label}'"] += 1
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _not_as_published(path, 'CityPersons', error) from error
        yield picture


def voc(source: Source) -> Iterator[Picture]:
    """Read a folder of Pascal VOC's XML files; ``difficult`` objects become crowd regions.

    Corners count from 1 there, and include the last pixel.
    """
    for path in source.files('*.xml'):
        root = _xml(path)
        try:
            size = root.find('size')
            picture = Picture(_text(root, 'filename', path.with_suffix('.jpg').name))
            if size is not None and float(_text(size, 'width', '0')) > 0:
                picture.size = int(float(_text(size, 'width'))), int(float(_text(size, 'height')))
            for entry in root.iter('object'):
                box = entry.find('bndbox')
                x1, y1, x2, y2 = (float(_text(box, c)) for c in ('xmin', 'ymin', 'xmax', 'ymax'))
                kept = {
                    key: int(float(_text(entry, key)))
                    for key in ('truncated', 'occluded')
                    if entry.find(key) is not None
                }
                difficult = float(_text(entry, 'difficult', '0')) == 1
                picture.add(
                    _text(entry, 'name'),
                    (x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1),
                    **kept,
                    **(IGNORED if difficult else {}),
                )
        except (AttributeError, TypeError, ValueError) as error:
            raise _not_as_published(path, 'Pascal VOC', error) from error
        yield picture


def _xml(path: Path) -> ElementTree.Element:
    """Return the root of an XML file without entities, which could expand without end."""
    data = read_bytes(path)
    if b'<!DOCTYPE' in data or b'<!ENTITY' in data:
        raise UserError(f'{path} declares entities, which annotations do not need; remove them')
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f'{path} is not XML: {error}') from error


def _text(element: Any, name: str, default: Any = None) -> str:
    child = element.find(name)
    text = default if child is None else child.text
    if text is None:
        raise ValueError(f'no {name}')
    return str(text).strip()


def yolo(source: Source) -> Iterator[Picture]:
    """Read a folder of YOLO's ``NAME.txt``: class, centre and size per line, relative to the image.

    Lines with more numbers hold outlines, whose boxes are taken. The sizes come from the images,
    and the names of the classes from ``classes.txt`` beside the labels, or from ``--classes``.
    """
    if source.images is None:
        raise UserError(
            'YOLO labels are relative to the sizes of the images; give their folder: --images DIR'
        )
    names = source.classes or _yolo_names(source.path)
    pictures = {path.stem: path for path in sorted(source.images.rglob('*')) if _is_image(path)}
    for path in source.files('*.txt'):
        if path.name == 'classes.txt':
            continue
        if path.stem not in pictures:
            raise UserError(f'{path}: no image {path.stem} in {source.images}')
        image = pictures[path.stem]
        width, height = image_size(image)
        picture = Picture(image.relative_to(source.images).as_posix(), (width, height))
        for number, line in lines_of(path):
            label, *values = numbers_of(line, f'{path}, line {number}', 5)
            if label < 0 or label != int(label) or (names and label >= len(names)):
                raise UserError(
                    f'{path}, line {number}: unknown class {label:g} (there are {len(names)})'
                )
            x, y, w, h = values[:4] if len(values) < 6 else _hull(values)
            box = ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
            picture.add(names[int(label)] if names else str(int(label)), box)
        yield picture


def _yolo_names(folder: Path) -> tuple[str, ...]:
    for path in (folder / 'classes.txt', folder.parent / 'classes.txt'):
        if path.is_file():
            return tuple(line for _, line in lines_of(path))
    return ()


def _hull(outline: list[float]) -> tuple[float, float, float, float]:
    """Return centre and size of the box around an outline."""
    x, y = outline[0::2], outline[1::2]
    return (min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height from the header of an image.

    Raises:
        UserError: It is missing, or no image.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError as error:
        raise UserError(f'there is no image {path}; give the folder of the images') from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f'{path} is no image: {error}') from error


def _not_as_published(path: Path, name: str, error: Exception) -> UserError:
    return UserError(
        f'{path} is not in the format of {name} ({type(error).__name__}: {str(error)[:100]})'
    )


FORMATS: Mapping[str, Reader] = {
    reader.__name__: reader
    for reader in (crowdhuman, widerperson, visdrone, ochuman, citypersons, voc, yolo)
}
"""Readers by the names of their formats."""
