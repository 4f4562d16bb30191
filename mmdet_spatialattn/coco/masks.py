"""Segmentations in any of COCO's forms as checked run-length masks.

pycocotools does not check its input: it hangs on a mask whose runs do not fill its image, and
allocates without bound for a polygon far outside. Here both raise one :class:`UserError`.
"""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from ..errors import UserError
from ..jit import jit

_LARGEST = 1e5  # pixels; pycocotools allocates in proportion to the length of an outline


def compress_masks(
    segmentations: Sequence[Any], sizes: np.ndarray, location: str
) -> tuple[list[dict], np.ndarray]:
    """Return masks as pycocotools' compressed run lengths, and their areas ``(n,)`` in pixels.

    Args:
        segmentations: Each a list of polygons, or run lengths, compressed or not.
        sizes: ``(n, 2)``, width and height of each segmentation's image.
        location: Location of the segmentations in messages; entry ``i`` is ``location[i]``.

    Raises:
        UserError: An entry has another form, or does not fit its image.
    """
    shapes = [(int(h), int(w)) if h == h and w == w else None for w, h in sizes]
    masks: list[dict] = []
    for i, (segmentation, shape) in enumerate(zip(segmentations, shapes)):
        mask, problem = _to_mask(segmentation, shape)
        if mask is None:
            raise UserError(f'{location}[{i}]: segmentation {problem}')
        masks.append(mask)
    texts = [
        m['counts']
        if isinstance(m['counts'], bytes)
        else m['counts'].encode('utf-8', 'surrogatepass')
        for m in masks
    ]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    pixels = np.array([mask['size'][0] * mask['size'][1] for mask in masks], np.int64)
    area = np.zeros(len(masks), np.int64)
    broken = _sum_runs(np.frombuffer(b''.join(texts), np.uint8), ends, pixels, area)
    if broken >= 0:
        height, width = masks[broken]['size']
        raise UserError(
            f'{location}[{broken}]: segmentation is broken: its run lengths do not fill '
            f'{height} x {width} pixels'
        )
    return masks, area.astype(float)


def _to_mask(segmentation: Any, shape: Optional[tuple[int, int]]) -> tuple[Optional[dict], str]:
    """Return a mask as unchecked compressed run lengths, or ``None`` and its problem."""
    from pycocotools import mask as mask_api

    if shape is None:
        return None, "cannot be used: its image has no 'width' and 'height'"
    height, width = shape
    if isinstance(segmentation, dict):
        counts, size = segmentation.get('counts'), segmentation.get('size')
        if not isinstance(size, (list, tuple)) or list(size) != [height, width]:
            return None, f'has size {size!r:.40}; its image has {[height, width]} (height, width)'
        if isinstance(counts, (str, bytes)):
            return {'size': [height, width], 'counts': counts}, ''
        if not isinstance(counts, list) or not all(type(n) is int and n >= 0 for n in counts):
            return None, 'has counts that are neither text nor a list of run lengths'
        if sum(counts) != height * width:
            return None, f'is broken: its run lengths do not fill {height} x {width} pixels'
        return mask_api.frPyObjects({'size': [height, width], 'counts': counts}, height, width), ''
    if not isinstance(segmentation, list) or not segmentation:
        return None, f'is {segmentation!r:.40}; expected polygons or run lengths'
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) < 4 or len(polygon) % 2:
            return None, f'has polygon {polygon!r:.40}; expected [x, y, x, y, x, y, ...]'
        if not all(type(v) in (int, float) and abs(v) <= _LARGEST for v in polygon):
            return (
                None,
                f'has polygon {polygon!r:.40}; expected numbers within +-{_LARGEST:g} pixels',
            )
    # As in pycocotools: if the first polygon has four numbers, all of them are read as boxes.
    if len(segmentation[0]) == 4 and any(len(polygon) != 4 for polygon in segmentation):
        return None, f'has polygon {segmentation[0]!r:.40} of two points'
    return mask_api.merge(mask_api.frPyObjects(segmentation, height, width)), ''


@jit
def _sum_runs(text, ends, pixels, area):  # pragma: no cover
    """Sum the foreground of each mask; returns the first broken mask, or -1 if all are valid."""
    position = 0
    for mask in range(len(ends)):
        total = 0
        before_previous, previous = 0, 0  # the two runs before the current one
        run = 0
        while position < ends[mask]:
            value, shift, more = 0, 0, True
            while more:
                if position == ends[mask] or shift > 30:
                    return mask
                digit = np.int64(text[position]) - 48
                if digit < 0 or digit > 63:
                    return mask
                value |= (digit & 31) << shift
                more = digit & 32 != 0
                shift += 5
                position += 1
                if not more and digit & 16:
                    value |= -1 << shift
            if run > 2:
                value += before_previous
            if value < 0:
                return mask
            before_previous, previous = previous, value
            total += value
            if run % 2:
                area[mask] += value
            run += 1
        if total != pixels[mask]:
            return mask
    return -1
