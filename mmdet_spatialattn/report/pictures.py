"""Pictures of a page: small inlined images with layers of boxes over them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import require

PICTURE_SIDE = 480
"""Longest side of an inlined picture in pixels."""


class Box(NamedTuple):
    """A box drawn on a picture.

    Attributes:
        box: x, y, width and height in pixels of the image.
        color: Colour of the line.
        title: Description that is shown when the reader points at the box.
        label: Short text beside the box.
        style: ``'solid'``, ``'dashed'`` or ``'dotted'``.
    """

    box: Sequence[float]
    color: str
    title: str
    label: str = ''
    style: str = 'solid'


@dataclass(frozen=True)
class Layer:
    """Boxes that are shown or hidden together."""

    name: str
    boxes: Sequence[Box]

    @property
    def outline(self) -> str:
        """One SVG path around all boxes."""
        sides = ('M{0:g} {1:g}h{2:g}v{3:g}h-{2:g}z'.format(*box.box) for box in self.boxes)
        return ''.join(sides)


@dataclass(frozen=True)
class Picture:
    """An inlined image with layers over it.

    Attributes:
        source: The image as a ``data:`` URI.
        width: Width of the original image; boxes are in its pixels.
        height: Height of the original image.
        layers: The layers, from the bottom to the top.
        caption: Text below the picture.
        alt: Description for readers who do not see the picture.
    """

    source: str
    width: int
    height: int
    layers: Sequence[Layer]
    caption: str
    alt: str


def inline_picture(
    image: np.ndarray, layers: Sequence[Layer], *, caption: str, alt: str
) -> Picture:
    """Inline an image, ``(H, W, 3)`` uint8 in BGR order, as a small JPEG.

    Raises:
        UserError: OpenCV is not installed.
    """
    cv2 = require('cv2', 'lite')
    height, width = image.shape[:2]
    scale = min(PICTURE_SIDE / max(height, width), 1)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    source = f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
    return Picture(source, width, height, layers, caption, alt)
