"""Pictures of a page: small inlined images with layers of boxes or masks over them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import require

PICTURE_SIDE = 480
"""Longest side of an inlined picture in pixels."""


class Box(NamedTuple):
    """A box drawn on a picture, or the mask in it.

    Attributes:
        box: x, y, width and height in pixels of the image.
        color: Colour of the line.
        title: Description that is shown when the reader points at the box.
        label: Short text beside the box.
        style: ``'solid'``, ``'dashed'`` or ``'dotted'``.
        outline: Outline of the mask as an SVG path; empty to draw the box.
    """

    box: Sequence[float]
    color: str
    title: str
    label: str = ''
    style: str = 'solid'
    outline: str = ''

    @property
    def path(self) -> str:
        """What is drawn, as an SVG path."""
        return self.outline or 'M{0:g} {1:g}h{2:g}v{3:g}h-{2:g}z'.format(*self.box)


@dataclass(frozen=True)
class Layer:
    """Boxes or masks that are shown or hidden together."""

    name: str
    boxes: Sequence[Box]

    @property
    def outline(self) -> str:
        """One SVG path around all of them."""
        return ''.join(box.path for box in self.boxes)


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


def mask_outline(mask: dict) -> str:
    """Return the outline of a mask, its holes among it, as an SVG path in pixels of its image.

    Args:
        mask: The mask as compressed run lengths.

    Returns:
        The path; empty for a mask without a pixel.

    Raises:
        UserError: OpenCV is not installed.
    """
    cv2 = require('cv2', 'lite')
    from pycocotools import mask as mask_api

    x, y, width, height = mask_api.toBbox(mask).astype(int).tolist()
    pixels = np.ascontiguousarray(mask_api.decode(mask)[y : y + height, x : x + width])
    if not pixels.any():
        return ''
    contours, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    return ''.join(_contour_path(contour[:, 0]) for contour in contours)


def _contour_path(points: np.ndarray) -> str:
    """Return a closed path through the centres of pixels, ``(n, 2)`` int."""
    (x, y), steps = points[0].tolist(), np.diff(points, axis=0).tolist()
    return f'M{x}.5 {y}.5l{" ".join(f"{dx} {dy}" for dx, dy in steps or [(0, 0)])}z'


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
