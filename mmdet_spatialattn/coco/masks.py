"""Segmentations in any of COCO's forms as checked run-length masks.

pycocotools trusts what it reads: a mask whose runs do not fill its image makes it hang, polygons
far outside make it allocate without bound. Here both are one message.
"""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from ..errors import UserError
from ..jit import jit

_REACH = 1e5  # pixels; pycocotools allocates by the length of an outline


def to_runs(
    segmentations: Sequence[Any], sizes: np.ndarray, place: str
) -> tuple[list[dict], np.ndarray]:
    """Return masks as pycocotools' compressed run lengths, and their areas ``(n,)`` in pixels.

    Args:
        segmentations: Each a list of polygons, or run lengths, compressed or not.
        sizes: ``(n, 2)``, width and height of the image of each.
        place: What to call entry ``i`` in messages: ``place[i]``.

    Raises:
        UserError: An entry is none of these, or does not fit its image.
    """
    shapes = [(int(h), int(w)) if h == h and w == w else None for w, h in sizes]
    masks: list[dict] = []
    for i, (segmentation, shape) in enumerate(zip(segmentations, shapes)):
        mask, complaint = _to_mask(segmentation, shape)
        if mask is None:
            raise UserError(f'{place}[{i}]: segmentation {complaint}')
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
    bad = _read_runs(np.frombuffer(b''.join(texts), np.uint8), ends, pixels, area)
    if bad >= 0:
        height, width = masks[bad]['size']
        raise UserError(
            f'{place}[{bad}]: segmentation is broken: its run lengths do not fill '
            f'{height} x {width} pixels'
        )
    return masks, area.astype(float)


def _to_mask(segmentation: Any, shape: Optional[tuple[int, int]]) -> tuple[Optional[dict], str]:
    """Return a mask in compressed run lengths, unchecked, or ``None`` and what is wrong."""
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
        if not all(type(v) in (int, float) and abs(v) <= _REACH for v in polygon):
            return None, f'has polygon {polygon!r:.40}; expected numbers within +-{_REACH:g} pixels'
    # pycocotools takes four numbers first for a box, and then all for boxes: its rule is kept.
    if len(segmentation[0]) == 4 and any(len(polygon) != 4 for polygon in segmentation):
        return None, f'has polygon {segmentation[0]!r:.40} of two points'
    return mask_api.merge(mask_api.frPyObjects(segmentation, height, width)), ''


@jit
def _read_runs(text, ends, pixels, area):  # pragma: no cover
    """Sum the foreground of each mask; returns the first mask that is broken, or -1."""
    at = 0
    for mask in range(len(ends)):
        total = 0
        before, last = 0, 0  # the run before the last one, and the last one
        run = 0
        while at < ends[mask]:
            value, shift, more = 0, 0, True
            while more:
                if at == ends[mask] or shift > 30:
                    return mask
                digit = np.int64(text[at]) - 48
                if digit < 0 or digit > 63:
                    return mask
                value |= (digit & 31) << shift
                more = digit & 32 != 0
                shift += 5
                at += 1
                if not more and digit & 16:
                    value |= -1 << shift
            if run > 2:
                value += before
            if value < 0:
                return mask
            before, last = last, value
            total += value
            if run % 2:
                area[mask] += value
            run += 1
        if total != pixels[mask]:
            return mask
    return -1
