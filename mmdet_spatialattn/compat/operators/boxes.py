"""Operators on boxes ``(x1, y1, x2, y2)``."""

import torch
from torch import Tensor


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the boxes that non-maximum suppression keeps, by falling score.

    Equal scores keep the order of the input; a compiled mmcv promises no order.

    Args:
        boxes: ``(N, 4)``.
        scores: ``(N,)``.
        iou_threshold: A box goes when its IoU with a kept box is greater than this.
        offset: 0, or 1 where a box from 3 to 5 is 3 wide.
    """
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    if scores.dtype != boxes.dtype:
        dtype = torch.promote_types(scores.dtype, boxes.dtype)
        boxes, scores = boxes.to(dtype), scores.to(dtype)
    return torch.ops.torchvision.nms(boxes, scores, iou_threshold)
