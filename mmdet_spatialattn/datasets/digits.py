"""Clutter digits: handwritten digits that overlap, among fragments of other digits.

The detection form of Cluttered MNIST, the classical test bed of visual attention (Mnih et al.,
Recurrent Models of Visual Attention, NeurIPS 2014; Jaderberg et al., Spatial Transformer Networks,
NeurIPS 2015). The glyphs are the real digits bundled with scikit-learn (1,797 of 8x8, UCI Optical
Recognition of Handwritten Digits, CC BY 4.0); train and val draw from disjoint glyphs.

A scene is a smooth background, fragments that are cut from digits which are not objects of the
scene, and above them the objects, which overlap one another. The clutter level determines the
number of fragments and nothing else: the fragments of one level are among those of the next, and
since they lie below the objects, every annotation is valid at every level.

A scene is the same to the bit on any machine: its random numbers come from NumPy's frozen
``RandomState``, the rest is arithmetic on whole numbers, and no image library resizes anything.
"""

import functools
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import require

LEVELS = range(5)
SPLITS = ('train', 'val')
SIDES = (24, 52)  # pixels of the 8x8 grid of a digit, smallest and largest
OBJECTS = (5, 12)  # per 160x160 pixels, fewest and most
FRAGMENTS = 12  # per 160x160 pixels and level
OPACITY = (0.7, 1.0)
LEAST_VISIBLE = 0.5  # share of an object's ink that later objects leave visible
TRAIN_GLYPHS = 1200  # the first ones; they are ordered by writer, so that val has others

_TRIES = 10  # positions tried for an object before it is left out
_GRID = 10  # a digit's 8 cells and a ring of background
_ONE = 64  # weight 1 of the interpolation along one axis
_BITS = 7  # of a strength; 128 is opaque
_SOLID = 1 << _BITS
_DARK = 8  # least ink of a cell that is a stroke; full ink is 16
_CONTRAST = 150  # least sum of |tint - background| over the channels


class Glyphs(NamedTuple):
    """The digits of one split.

    Attributes:
        images: ``(n, 10, 10)``, ink 0..16: the 8x8 digit within a ring of background.
        labels: ``(n,)``, 0..9.
        ids: ``(n,)``, rows of scikit-learn's set.
    """

    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Scene:
    """One scene: the same objects at every clutter level.

    Attributes:
        images: By level, ``(S, S, 3)`` RGB of uint8.
        labels: The digit of each object ``(n,)``, from the lowest to the topmost.
        glyphs: The row of each object in scikit-learn's set ``(n,)``.
        boxes: ``(n, 4)``, x, y, width, height in whole pixels: the full extent of the digit, parts
            that later objects hide included.
        cover: Share of each box that the union of the other boxes covers ``(n,)``.
        owner: ``(S, S)``: ``k + 1`` where the ink of object ``k`` is visible, 0 elsewhere.
    """

    images: dict[int, np.ndarray]
    labels: np.ndarray
    glyphs: np.ndarray
    boxes: np.ndarray
    cover: np.ndarray
    owner: np.ndarray


class _Patch(NamedTuple):
    """A tint, and the strength ``(h, w, 1)`` in 0..128 with which it is painted on a window.

    All arrays are int16, which holds ``255 * 128``.
    """

    rows: slice
    cols: slice
    alpha: np.ndarray
    tint: np.ndarray


@functools.cache
def load_glyphs(split: str) -> Glyphs:
    """Return the digits of ``'train'`` or ``'val'``.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    digits = require('sklearn.datasets', 'demo').load_digits()
    images = np.pad(digits.images.astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    ids = np.arange(len(images))
    part = ids < TRAIN_GLYPHS if split == 'train' else ids >= TRAIN_GLYPHS
    return Glyphs(images[part], digits.target[part], ids[part])


def render_scene(
    split: str, index: int, levels: Collection[int] = LEVELS, size: int = 160, seed: int = 0
) -> Scene:
    """Return scene ``index`` of a split: a function of the arguments alone.

    Args:
        split: ``'train'`` or ``'val'``.
        index: Number of the scene.
        levels: Clutter levels to render; they are independent of each other.
        size: Side ``S`` of the image in pixels, 64 to 640.
        seed: Seed of the whole set.

    Raises:
        MissingExtra: scikit-learn is not installed.

    Example:
        >>> scene = render_scene('val', 0, levels=(0, 4))
        >>> scene.images[4].shape, len(scene.labels) == len(scene.boxes)
        ((160, 160, 3), True)
    """
    rng = np.random.RandomState([seed, SPLITS.index(split), index])
    glyphs = load_glyphs(split)
    density = size**2 / 160**2
    fewest, most = (max(round(count * density), 1) for count in OBJECTS)
    order = rng.permutation(len(glyphs.labels))
    n_objects = _between((fewest, most), rng.random_sample())
    background = _background(rng, size)
    placed, patches, owner = _place(rng, glyphs.images[order[:n_objects]], background)
    chosen = order[placed]

    per_level = round(FRAGMENTS * density)
    cut = glyphs.images[np.resize(order[n_objects:], per_level * LEVELS[-1])]
    fragments = _fragments(rng, cut, background)
    images = {}
    canvas = background
    for level in range(max(levels) + 1):
        for patch in fragments[per_level * (level - 1) : per_level * level] if level else ():
            _paint(canvas, patch)
        if level in levels:
            image = canvas.copy()
            for patch in patches:
                _paint(image, patch)
            images[level] = image.astype(np.uint8)
    boxes = np.array([_box(patch) for patch in patches])
    return Scene(
        images=images,
        labels=glyphs.labels[chosen],
        glyphs=glyphs.ids[chosen],
        boxes=boxes,
        cover=box_cover(boxes, size),
        owner=owner,
    )


def box_cover(boxes: np.ndarray, size: int) -> np.ndarray:
    """Return the share of each box that the union of the other boxes covers ``(n,)``.

    It is exact, because the boxes are whole pixels, which are counted.

    Args:
        boxes: ``(n, 4)``, x, y, width, height, within the image.
        size: Side of the image.

    Example:
        >>> box_cover(np.array([[0, 0, 4, 4], [2, 0, 4, 4], [3, 0, 4, 2]]), size=8)
        array([0.5 , 0.75, 0.75])
    """
    depth = np.zeros((size, size), np.uint8)
    windows = [(slice(y, y + h), slice(x, x + w)) for x, y, w, h in boxes]
    for window in windows:
        depth[window] += 1
    return np.array(
        [np.count_nonzero(depth[window] > 1) / depth[window].size for window in windows]
    )


def _place(
    rng: np.random.RandomState, images: np.ndarray, background: np.ndarray
) -> tuple[list[int], list[_Patch], np.ndarray]:
    """Place the objects one over the other; return the placed ones, their patches, the owners."""
    size = len(background)
    looks = rng.random_sample((len(images), 5))
    spots = rng.random_sample((len(images), _TRIES, 2))
    owner = np.zeros((size, size), np.uint8)
    ink = np.zeros(len(images) + 1, np.int64)  # pixels by owner; 0 is the background
    visible = ink.copy()
    placed: list[int] = []
    patches: list[_Patch] = []
    for k, image in enumerate(images):
        strength = _enlarge(image, _between(SIDES, looks[k, 0]) * _GRID // 8)
        mask = strength >= _SOLID // 2
        rows, cols = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        extent = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
        strength, mask = strength[extent], mask[extent]
        height, width = mask.shape
        for u, v in spots[k]:
            y, x = int(u * (size - height + 1)), int(v * (size - width + 1))
            window = slice(y, y + height), slice(x, x + width)
            hidden = np.bincount(owner[window][mask], minlength=len(ink))
            hidden[0] = 0
            if (visible - hidden >= LEAST_VISIBLE * ink).all():
                placed.append(k)
                visible -= hidden
                ink[len(placed)] = visible[len(placed)] = np.count_nonzero(mask)
                owner[window][mask] = len(placed)
                patches.append(_patch(strength, y, x, looks[k, 1:], background))
                break
    return placed, patches, owner


def _fragments(
    rng: np.random.RandomState, images: np.ndarray, background: np.ndarray
) -> list[_Patch]:
    """Cut a window around a stroke of each digit and place it at random."""
    size = len(background)
    patches = []
    for image, looks in zip(images, rng.random_sample((len(images), 9))):
        side = _between(SIDES, looks[4]) * _GRID // 8
        length = _between((side // 4, side // 2), looks[5])
        strokes = np.flatnonzero(image >= _DARK)
        centre = divmod(int(strokes[int(looks[6] * len(strokes))]), _GRID)
        corner = ((2 * cell + 1) * side // (2 * _GRID) - length // 2 for cell in centre)
        top, left = (min(max(at, 0), side - length) for at in corner)
        window = slice(top, top + length), slice(left, left + length)
        strength = _enlarge(image, side, window)
        y, x = (int(u * (size - length + 1)) for u in looks[7:])
        patches.append(_patch(strength, y, x, looks[:4], background))
    return patches


def _patch(
    strength: np.ndarray, y: int, x: int, looks: np.ndarray, background: np.ndarray
) -> _Patch:
    """Return the patch at (y, x), with tint and opacity made from four numbers in [0, 1)."""
    height, width = strength.shape
    tint = (looks[:3] * 256).astype(np.int16)
    backdrop = background[y + height // 2, x + width // 2]
    if np.abs(tint - backdrop).sum() < _CONTRAST:
        tint = (tint + 128) % 256
    opacity = int(_SOLID * (OPACITY[0] + looks[3] * (OPACITY[1] - OPACITY[0])))
    alpha = (strength * np.int16(opacity) >> _BITS)[..., None]
    return _Patch(slice(y, y + height), slice(x, x + width), alpha, tint)


def _paint(canvas: np.ndarray, patch: _Patch) -> None:
    under = canvas[patch.rows, patch.cols]
    under += ((patch.tint - under) * patch.alpha + _SOLID // 2) >> _BITS


def _box(patch: _Patch) -> tuple[int, int, int, int]:
    rows, cols = patch.rows, patch.cols
    return cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start


def _background(rng: np.random.RandomState, size: int) -> np.ndarray:
    """Return a smooth colour field ``(S, S, 3)``."""
    cells = _between((3, 6), rng.random_sample())
    knots = (20 + 216 * rng.random_sample((cells, cells, 3))).astype(np.int16).astype(np.float32)
    weights = _interpolation(size, cells)
    columns = (weights @ knots.reshape(cells, -1)).reshape(size, cells, 3)
    field = columns.transpose(0, 2, 1).reshape(-1, cells) @ weights.T / _ONE**2
    field = field.reshape(size, 3, size).transpose(0, 2, 1)
    return np.ascontiguousarray(field).astype(np.int16)


def _enlarge(
    image: np.ndarray, side: int, window: tuple[slice, slice] = (slice(None), slice(None))
) -> np.ndarray:
    """Return a window of a digit's ink, 0..128, with its grid enlarged to ``side`` pixels.

    Ink below a quarter becomes 0, and above three quarters full, which sharpens the edges.
    """
    weights = _interpolation(side, _GRID)
    ink = weights[window[0]] @ image @ weights[window[1]].T / (16 * _ONE**2)
    return (np.minimum(np.maximum(2 * ink - 0.5, 0), 1) * _SOLID).astype(np.int16)


@functools.cache
def _interpolation(pixels: int, cells: int) -> np.ndarray:
    """Return the weights ``(pixels, cells)`` of linear interpolation; each row sums to 64.

    They are whole numbers: their products with ink and colours are below 2**24, so that float32
    holds them exactly and a matrix product does not depend on the order of its sums.
    """
    weights = np.zeros((pixels, cells), np.float32)
    pixel = np.arange(pixels)
    position = (2 * pixel + 1) * cells - pixels  # of the pixel's centre, in cells * 2 * pixels
    low, rest = np.divmod(position, 2 * pixels)
    share = rest * _ONE // (2 * pixels)
    np.add.at(weights, (pixel, np.clip(low, 0, cells - 1)), _ONE - share)
    np.add.at(weights, (pixel, np.clip(low + 1, 0, cells - 1)), share)
    return weights


def _between(bounds: tuple[int, int], u: float) -> int:
    """Return a whole number within ``bounds``, both included, for ``u`` in [0, 1)."""
    return bounds[0] + int(u * (bounds[1] - bounds[0] + 1))
