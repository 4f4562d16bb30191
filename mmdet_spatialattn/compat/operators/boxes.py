"""Operators on boxes, rows ``(x1, y1, x2, y2)``: suppression and overlaps."""

import numpy as np
import torch
from torch import Tensor

from ._buffers import fill, widen


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the boxes that non-maximum suppression keeps, by decreasing score.

    Args:
        boxes: ``(N, 4)``.
        scores: ``(N,)``.
        iou_threshold: A box is removed if its IoU with a kept box is greater than this.
        offset: Number that is added to width and height of a box, 0 or 1.
    """
    boxes, scores = widen(boxes), widen(scores)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    if scores.dtype != boxes.dtype:
        dtype = torch.promote_types(scores.dtype, boxes.dtype)
        boxes, scores = boxes.to(dtype), scores.to(dtype)
    return torch.ops.torchvision.nms(boxes, scores, iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Keep the best box, lower the scores of those it overlaps, and continue with the next.

    Args:
        boxes: ``(N, 4)`` on the CPU.
        scores: ``(N,)`` on the CPU.
        dets: ``(N, 5)``; its first ``K`` rows become the kept boxes and their lowered scores.
        iou_threshold: IoU from which the methods 0 and 1 lower a score.
        sigma: Width of the Gaussian of method 2.
        min_score: A box goes when its score falls below this.
        method: What a score is multiplied by: 0 for zero, 1 for 1 - IoU, 2 for exp(-IoU^2 / sigma).
        offset: What is added to a box's width and height, 0 or 1.

    Returns:
        The ``K`` indices of the kept boxes, by falling score.
    """
    box, score = boxes.detach().float().numpy().copy(), scores.detach().float().numpy().copy()
    index = np.arange(len(box))
    count, i = len(box), 0
    while i < count:
        best = i + int(score[i:count].argmax())
        for array in (box, score, index):
            array[[i, best]] = array[[best, i]]
        rest = slice(i + 1, count)
        overlap = _overlap_with(box[i], box[rest], offset)
        if method == 2:
            score[rest] *= np.exp(-(overlap**2) / np.float32(sigma))
        else:
            kept = 1 - overlap if method == 1 else np.float32(0)
            score[rest] *= np.where(overlap >= iou_threshold, kept, np.float32(1))
        # mmcv replaces a removed box by the last one; the order of equal scores depends on it.
        alive = ~(score[rest] < min_score)
        end = i + 1 + int(alive.sum())
        holes = i + 1 + np.flatnonzero(~alive[: end - i - 1])
        last = i + 1 + np.flatnonzero(alive)[::-1][: len(holes)]
        for array in (box, score, index):
            array[holes] = array[last]
        count, i = end, i + 1
    dets[:count, :4] = torch.from_numpy(box[:count])
    dets[:count, 4] = torch.from_numpy(score[:count])
    return torch.from_numpy(index[:count])


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Return a list for each kept box: its index, then the indices of those that it suppresses.

    Args:
        dets: ``(N, 5)``, boxes and scores, on the CPU.
        iou_threshold: A box is removed if its IoU with a kept box reaches this.
    """
    rows = dets.detach().float().numpy()
    order = np.argsort(-rows[:, 4], kind='stable')
    groups = []
    while len(order):
        kept, rest = order[0], order[1:]
        suppressed = _overlap_with(rows[kept, :4], rows[rest, :4], 0) >= iou_threshold
        groups.append([int(kept), *rest[suppressed].tolist()])
        order = rest[~suppressed]
    return groups


@torch.no_grad()
def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Fill ``ious`` with the overlap of boxes.

    Args:
        bboxes1: ``(M, 4)``.
        bboxes2: ``(N, 4)``.
        ious: ``(M, N)``, or ``(M,)`` when aligned.
        mode: Divide the intersection by the union (0) or by the area of the first box (1).
        aligned: Compare row by row (``M = N``) instead of each with each.
        offset: What is added to a box's width and height, 0 or 1.
    """
    if not aligned:
        bboxes1 = bboxes1[:, None]
    top_left = torch.maximum(bboxes1[..., :2], bboxes2[..., :2])
    bottom_right = torch.minimum(bboxes1[..., 2:], bboxes2[..., 2:])
    intersection = (bottom_right - top_left + offset).clamp(min=0).prod(-1)
    whole = (bboxes1[..., 2:] - bboxes1[..., :2] + offset).prod(-1)
    if mode == 0:
        whole = whole + (bboxes2[..., 2:] - bboxes2[..., :2] + offset).prod(-1) - intersection
    fill(ious, intersection / whole)


def _overlap_with(box: np.ndarray, others: np.ndarray, offset: int) -> np.ndarray:
    """Return the IoU of a box ``(4,)`` with others ``(N, 4)``; NaN where both have no area."""
    size = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + offset
    intersection = np.maximum(size, 0).prod(1)
    areas = (others[:, 2:] - others[:, :2] + offset).prod(1)
    with np.errstate(invalid='ignore', divide='ignore'):
        return intersection / ((box[2:] - box[:2] + offset).prod() + areas - intersection)
