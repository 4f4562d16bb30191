"""Clutter of the background from pixels: density of edges, and Feature Congestion.

Paper:   Rosenholtz, Li & Nakano, Measuring visual clutter, Journal of Vision 7(2):17, 2007
         https://doi.org/10.1167/7.2.17 (Feature Congestion, Edge Density);
         Mack & Oliva, Computational estimation of visual complexity, 2004 (Edge Density)
Code:    written from the paper's description.
Differs: - Only the background counts: objects are filled in smoothly from their surroundings before
           any filter, and take no part in any average, so their pixels have no influence at all.
         - CIELab with L* from 0 to 100; noise of one just noticeable difference (1 unit) on each
           colour axis and on the oriented filters, where the authors' release has constants for its
           own scale. A uniform picture has exactly 0.
         - Contrast is the absolute, not the squared response of the centre-surround filter, so that
           it grows linearly with the contrast of the picture.
         - Each feature is divided by its value for coloured 1/f noise (:data:`TYPICAL`), the
           spectrum of natural scenes, and the three are averaged: 1 is as congested as that noise.
         - Edge Density has fixed thresholds, not relative to the image's own strongest edge, so
           that images compare.
"""

from functools import partial
from typing import Callable, Optional

import cv2
import numpy as np

from ..coco import box_windows
from .measures import corners_of

LEVELS = 3
"""Number of scales; each has half the resolution of the one before."""

TYPICAL = {'colour': 7.1, 'contrast': 1.64, 'orientation': 0.119}
"""Mean clutter of each feature in 1/f noise of deviation 20 in L*, 10 in a* and b*."""

_POOL = 3.0  # sigma of the neighbourhood whose variety is measured, pixels of a level
_CENTRE, _SURROUND = 0.71, 1.14  # sigmas of the centre-surround filter
_FILTER, _ENERGY = 2.0, 1.75  # sigmas of the oriented filters and of the pooling of their energy
_ORIENTATION_POOL = 3.5
_JND = 1.0  # one just noticeable difference in CIELab
_ORIENTATION_NOISE = 0.03  # in units of cos 2a, sin 2a
_EDGE_STEPS = (10, 25)  # grey levels: lower steps are never edges, higher steps always are

_Map = Callable[[np.ndarray], np.ndarray]


def edge_density(image: np.ndarray, boxes: Optional[np.ndarray] = None) -> float:
    """Return the share of the background pixels that are edges; NaN without background.

    Args:
        image: ``(H, W, 3)`` uint8, BGR, as OpenCV reads it.
        boxes: ``(A, 4)`` x, y, width, height; their pixels are not background.
    """
    background = _background(image, boxes)
    if not background.any():
        return float('nan')
    grey = cv2.cvtColor(_fill(image.astype(np.float32), background), cv2.COLOR_BGR2GRAY)
    smooth = _blur(grey, 1.0, cv2.BORDER_REPLICATE).round().astype(np.uint8)
    low, high = (2.5 * step for step in _EDGE_STEPS)  # Sobel's response to the blurred step
    edges = cv2.Canny(smooth, low, high, L2gradient=True) > 0
    return float(edges[background].mean())


def feature_congestion(image: np.ndarray, boxes: Optional[np.ndarray] = None) -> float:
    """Return the Feature Congestion of the background; NaN without background.

    It is 0 for a uniform picture and 1 for coloured 1/f noise.

    Args:
        image: ``(H, W, 3)`` uint8, BGR, as OpenCV reads it.
        boxes: ``(A, 4)`` x, y, width, height; their pixels are not background.
    """
    background = _background(image, boxes)
    if not background.any():
        return float('nan')
    mask = background.view(np.uint8)
    maps = congestion_maps(image, background)
    return float(np.mean([cv2.mean(maps[name], mask)[0] / TYPICAL[name] for name in TYPICAL]))


def congestion_maps(image: np.ndarray, background: np.ndarray) -> dict[str, np.ndarray]:
    """Return the clutter of each feature of :data:`TYPICAL` at each pixel, ``(H, W)`` float32.

    Each map is the maximum over the scales; its values outside the background are meaningless.

    Args:
        image: ``(H, W, 3)`` uint8, BGR.
        background: ``(H, W)`` bool.
    """
    lab = _fill(cv2.cvtColor(np.float32(1 / 255) * image, cv2.COLOR_BGR2Lab), background)
    # Variances do not change, rounding errors shrink.
    lab = lab - np.array(cv2.mean(lab, mask=background.view(np.uint8))[:3], np.float32)
    weight: np.ndarray = background.astype(np.float32)
    height, width = background.shape
    maps = dict.fromkeys(TYPICAL, np.zeros((height, width), np.float32))
    for level in range(LEVELS):
        if level:
            lab, weight = cv2.pyrDown(lab), cv2.pyrDown(weight)
        for name, clutter in _level_clutter(lab, weight).items():
            full = cv2.resize(clutter, (width, height), interpolation=cv2.INTER_LINEAR)
            maps[name] = np.maximum(maps[name], full)
    return maps


def _level_clutter(lab: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Return the clutter of each feature at one scale, at every second pixel.

    The neighbourhoods are wide enough for this sampling, which takes a quarter of the time.
    """
    around = partial(_blur, np.ascontiguousarray(lab[..., 0]), border=cv2.BORDER_REPLICATE)
    contrast = np.abs(around(_CENTRE) - around(_SURROUND))
    orientation = _orientation(around(_FILTER), _pool(weight, _ENERGY / 2, _halve))
    pool = _pool(weight, _POOL / 2, _halve)
    pool_orientation = _pool(_halve(weight), _ORIENTATION_POOL / 2)
    return {
        'colour': _spread(list(cv2.split(lab)), pool, _JND),
        'contrast': _spread([contrast], pool, 0),
        'orientation': _spread(orientation, pool_orientation, _ORIENTATION_NOISE),
    }


def _orientation(blurred: np.ndarray, pool: _Map) -> list[np.ndarray]:
    """Return cos 2a and sin 2a of the local orientation a, scaled by how pronounced it is.

    Opponent energy: the squared second differences of a blurred picture in four directions are
    pooled, and the difference of opposite directions is divided by the sum of all. Energies below
    one just noticeable difference have no orientation.
    """
    step, diagonal = round(_FILTER), round(_FILTER / 2**0.5)
    height, width = blurred.shape
    padded = np.pad(blurred, step, mode='edge')

    def shifted(dy: int, dx: int) -> np.ndarray:
        return padded[step + dy : step + dy + height, step + dx : step + dx + width]

    across, falling, down, rising = (
        pool((2 * blurred - shifted(dy, dx) - shifted(-dy, -dx)) ** 2)
        for dy, dx in ((0, step), (diagonal, diagonal), (step, 0), (diagonal, -diagonal))
    )
    total = across + down + falling + rising + _JND**2
    return [(across - down) / total, (falling - rising) / total]


def _spread(features: list[np.ndarray], pool: _Map, noise: float) -> np.ndarray:
    """Return the size of the cloud of feature vectors around each pixel, in units of the features.

    It is the n-th root of the volume sqrt(det(C + noise^2 I)) of the covariance ellipsoid, minus
    the noise. The determinant is the product of the pivots of an elimination.
    """
    n = len(features)
    mean = [pool(feature) for feature in features]
    c = {
        (i, j): pool(features[i] * features[j]) - mean[i] * mean[j]
        for i in range(n)
        for j in range(i, n)
    }
    volume = np.ones_like(mean[0])
    for k in range(n):
        pivot = c[k, k].clip(0) + noise**2
        volume *= pivot
        for i in range(k + 1, n):
            factor = c[k, i] / pivot
            for j in range(i, n):
                c[i, j] -= factor * c[k, j]
    return volume ** (0.5 / n) - noise


def _pool(weight: np.ndarray, sigma: float, sample: _Map = lambda values: values) -> _Map:
    """Return a function that averages a map over the background around each sampled pixel."""
    total = _blur(sample(weight), sigma, cv2.BORDER_CONSTANT)
    scale = np.where(total > 1e-6, 1 / np.maximum(total, 1e-6), 0)
    return lambda values: _blur(sample(values * weight), sigma, cv2.BORDER_CONSTANT) * scale


def _halve(values: np.ndarray) -> np.ndarray:
    height, width = values.shape
    size = (width + 1) // 2, (height + 1) // 2
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA)


def _blur(values: np.ndarray, sigma: float, border: int) -> np.ndarray:
    side = 2 * int(np.ceil(2 * sigma)) + 1
    return cv2.GaussianBlur(values, (side, side), sigma, borderType=border)


def _background(image: np.ndarray, boxes: Optional[np.ndarray]) -> np.ndarray:
    """Return the background, ``(H, W)`` bool: false in every pixel that a box touches."""
    background = np.ones(image.shape[:2], dtype=bool)
    if boxes is not None:
        for window in box_windows(corners_of(boxes), image.shape):
            background[window] = False
    return background


def _fill(values: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Fill everything but the background smoothly from it, ``(H, W, C)`` float32.

    A pixel gets the average of the background at the finest scale that has one there.
    """
    if background.all():
        return values
    known = background.astype(np.float32)
    return _fill_level(values * known[..., None], known)


def _fill_level(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill premultiplied values recursively wherever less than a whole pixel is known."""
    if known.all() or max(known.shape) == 1:
        return values / np.maximum(known, 1e-6)[..., None]
    height, width = known.shape
    coarse = _fill_level(cv2.pyrDown(values), cv2.pyrDown(known))
    coarse = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return values + (1 - known)[..., None] * coarse
