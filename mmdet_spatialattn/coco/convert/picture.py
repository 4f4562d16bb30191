"""What all readers return: an image with its objects."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from ...errors import MissingFile, UserError
from ...io import read_bytes

MAX_LINE = 2**24
"""Bytes of a line that are read at most."""


@dataclass
class Picture:
    """One image of a data set.

    Attributes:
        file_name: Its file, relative to the folder of the images.
        size: Width and height in pixels; ``None`` where the annotations do not tell.
        objects: Its annotations as COCO's, with ``category`` in place of the id of a class.
        dropped: Number of annotations that were left out, by reason.
        fields: Further fields of the image.
    """

    file_name: str
    size: Optional[tuple[int, int]] = None
    objects: list[dict[str, Any]] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)
    fields: dict[str, Any] = field(default_factory=dict)

    def add(self, category: str, box: Sequence[float], **fields: Any) -> None:
        """Add an annotation, unless its box has no size."""
        x, y, width, height = map(float, box)
        if width <= 0 or height <= 0:
            self.dropped['boxes without width or height'] += 1
            return
        box = [round(value, 2) for value in (x, y, width, height)]
        self.objects.append(
            {'category': category, 'bbox': box, 'area': round(width * height, 2),
             'iscrowd': 0, **fields}
        )  # fmt: skip


class Source(NamedTuple):
    """What a reader reads.

    Attributes:
        path: File or folder of the annotations.
        images: Folder of the images, whose headers tell their sizes; ``None`` where it is unknown.
        classes: Names of the classes, where the annotations have numbers only.
    """

    path: Path
    images: Optional[Path] = None
    classes: tuple[str, ...] = ()

    def files(self, pattern: str) -> list[Path]:
        """Return the annotation files in the folder, in order.

        Raises:
            MissingFile: There are none.
        """
        found = sorted(self.path.rglob(pattern)) if self.path.is_dir() else []
        if not found:
            raise MissingFile(f'{self.path}: expected a folder with files {pattern}')
        return found


Reader = Callable[[Source], Iterator[Picture]]


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text that hold something, with their numbers from 1.

    Raises:
        UserError: It cannot be read, or is no text.
    """
    if not path.is_file():
        read_bytes(path)  # says what is wrong
    try:
        with open(path, encoding='utf-8-sig') as file:
            number = 0
            while line := file.readline(MAX_LINE):
                number += 1
                if line.strip():
                    yield number, line.strip()
    except UnicodeDecodeError as error:
        raise UserError(f'{path} is no text') from error


def numbers_of(
    text: str, location: str, least: int, separator: Optional[str] = None
) -> list[float]:
    """Return the numbers in a line.

    Raises:
        UserError: There are fewer than ``least``, or something else stands there.
    """
    parts = [part for part in text.split(separator) if part.strip()]
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) < least or not all(abs(value) < 1e9 for value in values):
        raise UserError(f'{location}: expected {least} numbers or more, got {text!r:.60}')
    return values
