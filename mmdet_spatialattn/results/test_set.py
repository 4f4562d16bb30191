"""The test set of an evaluation, and its strata."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ..tables import Table

OVERALL = 'overall'
"""Name of the scope of all objects; the other scopes are the strata, by their names."""

SIZES = ('small', 'medium', 'large')
"""COCO's sizes."""


@dataclass(frozen=True)
class TestSet:
    """The annotations that detections were evaluated on.

    Attributes:
        file: Annotation file.
        images: Number of images.
        objects: Number of objects that count; crowd regions do not.
        crowd_regions: Number of crowd regions.
        classes: Number of classes.
    """

    __test__ = False  # not a test of pytest's

    file: str
    images: int
    objects: int
    crowd_regions: int
    classes: int

    def __str__(self) -> str:
        return f'{self.file}: {self.objects} objects in {self.images} images'


@dataclass(frozen=True)
class ClassSize:
    """One class of the test set.

    Attributes:
        name: Name of the class.
        objects: Number of its objects.
        images: Number of the images that hold them.
    """

    name: str
    objects: int
    images: int


@dataclass(frozen=True)
class Stratum:
    """The objects that are alike in clutter.

    Attributes:
        name: Name of the stratum.
        objects: Number of its objects.
        images: Number of the images that hold them.
        sizes: Number of its objects of each COCO size.
        enough: Whether anything may be concluded from it.
        groups: Number of the groups of images that hold its objects, where images are grouped.
    """

    name: str
    objects: int
    images: int
    sizes: dict[str, int]
    enough: bool
    groups: Optional[int] = None


def strata_table(strata: Sequence[Stratum]) -> Table:
    """Return how many objects and images each stratum holds."""
    rows = [
        (
            stratum.name,
            str(stratum.objects),
            str(stratum.images),
            *(str(stratum.sizes[size]) for size in SIZES),
        )
        for stratum in strata
    ]
    return Table('', ('stratum', 'objects', 'images', *SIZES), rows)
