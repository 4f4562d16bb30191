"""Suppression and overlaps equal plain loops, mmcv's Python around them included."""

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms, bbox_overlaps, nms, nms_match, soft_nms

from . import reference

# Three boxes that overlap, one apart, one without area, one inside out.
BOXES = torch.tensor(
    [
        [0.0, 0.0, 10.0, 10.0],
        [1.0, 1.0, 11.0, 11.0],
        [0.0, 5.0, 10.0, 15.0],
        [40.0, 40.0, 50.0, 60.0],
        [3.0, 3.0, 3.0, 8.0],
        [9.0, 9.0, 4.0, 4.0],
    ]
)
SCORES = torch.tensor([0.5, 0.9, 0.8, 0.3, 0.7, 0.2])


def random_boxes(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    start = torch.rand(n, 2, generator=generator) * 60
    boxes = torch.cat([start, start + torch.rand(n, 2, generator=generator) * 40], dim=1)
    return boxes, torch.randperm(n, generator=generator).float() / n


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.5, 0.9])
def test_nms_equals_the_loop(device, threshold, offset):
    for boxes, scores in ((BOXES, SCORES), random_boxes(60)):
        dets, kept = nms(boxes.to(device), scores.to(device), threshold, offset=offset)
        assert kept.tolist() == reference.nms(boxes.tolist(), scores.tolist(), threshold, offset)
        assert torch.equal(dets.cpu(), torch.cat([boxes, scores[:, None]], dim=1)[kept.cpu()])


def test_the_offset_of_nms_widens_the_boxes():
    boxes = torch.tensor([[0.0, 0, 1, 1], [1, 0, 2, 1]])  # 2 x 2 pixels each, one column shared
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.3, offset=0)[1].tolist() == [0, 1]  # IoU 0
    assert nms(boxes, scores, 0.3, offset=1)[1].tolist() == [0]  # IoU 2 / 6


def test_nms_suppresses_above_the_threshold_and_nms_match_from_it_on():
    boxes, scores = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1]]), torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.5)[1].tolist() == [0, 1]  # the IoU is exactly a half
    assert nms_match(torch.cat([boxes, scores[:, None]], 1), 0.5)[0].tolist() == [0, 1]


def test_equal_scores_keep_the_order_of_the_input():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40]])
    assert nms(boxes, torch.full((3,), 0.5), 0.5)[1].tolist() == [0, 2]


@pytest.mark.parametrize('count', [0, 1])
def test_no_box_and_one_box_pass_all_suppressions(device, count):
    boxes, scores = BOXES[:count].to(device), SCORES[:count].to(device)
    expected = list(range(count))
    assert nms(boxes, scores, 0.5)[1].tolist() == expected
    assert soft_nms(boxes, scores)[1].tolist() == expected
    groups = nms_match(torch.cat([boxes, scores[:, None]], 1), 0.5)
    assert [group.tolist() for group in groups] == [[i] for i in expected]
    dets, kept = batched_nms(boxes, scores, torch.zeros_like(scores), None)
    assert dets.shape == (count, 5)
    assert kept.tolist() == expected


def test_nms_takes_the_number_types_of_mixed_precision():
    boxes, scores = random_boxes(40)
    expected = nms(boxes.bfloat16().float(), scores, 0.5)[1]
    assert torch.equal(nms(boxes.bfloat16(), scores, 0.5)[1], expected)
    assert nms(boxes.half(), scores.half(), 0.5)[1].dtype == torch.long


def test_nms_takes_numpy():
    assert (
        nms(BOXES.numpy(), SCORES.numpy(), 0.5)[1].tolist() == nms(BOXES, SCORES, 0.5)[1].tolist()
    )


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('min_score', [1e-3, 0.3])
def test_soft_nms_equals_the_loop(method, offset, min_score):
    settings = dict(iou_threshold=0.3, sigma=0.5, min_score=min_score)
    for boxes, scores in ((BOXES[:5], SCORES[:5]), random_boxes(60)):
        dets, kept = soft_nms(boxes, scores, method=method, offset=offset, **settings)
        expected = reference.soft_nms(
            boxes.tolist(), scores.tolist(), 0.3, 0.5, min_score, method, offset
        )
        assert kept.tolist() == [index for index, _ in expected]
        assert torch.equal(dets[:, :4], boxes[kept])
        lowered = torch.tensor([score for _, score in expected])
        torch.testing.assert_close(dets[:, 4], lowered, atol=1e-6, rtol=1e-5)


def test_soft_nms_leaves_its_input_alone():
    boxes, scores = random_boxes(20)
    before = boxes.clone(), scores.clone()
    soft_nms(boxes, scores, method='gaussian')
    assert torch.equal(boxes, before[0])
    assert torch.equal(scores, before[1])


@pytest.mark.parametrize('threshold', [0.1, 0.5])
def test_nms_match_equals_the_loop(threshold):
    for boxes, scores in ((BOXES, SCORES), random_boxes(60)):
        groups = nms_match(torch.cat([boxes, scores[:, None]], dim=1), threshold)
        expected = reference.nms_match(boxes.tolist(), scores.tolist(), threshold)
        assert [group.tolist() for group in groups] == expected


@pytest.mark.parametrize('mode', ['iou', 'iof'])
@pytest.mark.parametrize('offset', [0, 1])
def test_bbox_overlaps_equals_the_loop(device, mode, offset):
    boxes = torch.cat([BOXES, random_boxes(5)[0]])
    others = boxes.flip(0)[:7]
    expected = torch.tensor(
        [
            [reference.iou(a, b, offset, mode == 'iof') for b in others.tolist()]
            for a in boxes.tolist()
        ]
    )
    overlaps = bbox_overlaps(boxes.to(device), others.to(device), mode, offset=offset).cpu()
    defined = ~expected.isnan()
    torch.testing.assert_close(overlaps[defined], expected[defined], atol=1e-6, rtol=1e-5)
    aligned = bbox_overlaps(boxes[:7].to(device), others.to(device), mode, True, offset).cpu()
    diagonal = expected.diagonal()
    defined = ~diagonal.isnan()
    torch.testing.assert_close(aligned[defined], diagonal[defined], atol=1e-6, rtol=1e-5)


def test_bbox_overlaps_of_no_boxes_is_empty():
    assert bbox_overlaps(BOXES[:0], BOXES).shape == (0, 6)
    assert bbox_overlaps(BOXES, BOXES[:0]).shape == (6, 0)


def test_batched_nms_keeps_boxes_of_different_classes():
    boxes = BOXES[:2].repeat(2, 1)
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    kept = batched_nms(
        boxes, scores, torch.tensor([0, 0, 1, 1]), dict(type='nms', iou_threshold=0.5)
    )
    assert kept[1].tolist() == [0, 2]
    assert np.allclose(kept[0][:, :4], boxes[[0, 2]])
