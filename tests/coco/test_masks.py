"""Masks: every form of COCO, and the broken ones that pycocotools would hang on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_api

from mmdet_spatialattn.coco.masks import compress_masks
from mmdet_spatialattn.errors import UserError

SQUARE = [[2, 1, 2, 4, 6, 4, 6, 1]]  # 4 wide, 3 high
RUNS = mask_api.merge(mask_api.frPyObjects(SQUARE, 10, 20))


def area(segmentation, width=20, height=10):
    return compress_masks([segmentation], np.array([[width, height]], float), 'masks')[1].tolist()


def test_all_forms_of_a_mask_are_the_same_mask():
    counts = [21, 3, 7, 3, 7, 3, 7, 3, 200 - 54]
    assert area(SQUARE) == [12]
    assert area({'size': [10, 20], 'counts': counts}) == [12]
    assert area(RUNS) == [12]
    assert area({'size': [10, 20], 'counts': RUNS['counts'].decode()}) == [12]


def test_areas_are_those_of_pycocotools():
    rng = np.random.default_rng(0)
    masks = [
        mask_api.encode(np.asfortranarray(rng.random((37, 53)) < p, np.uint8))
        for p in np.linspace(0, 1, 30)
    ]
    sizes = np.tile([53.0, 37.0], (30, 1))
    checked, areas = compress_masks(masks, sizes, 'masks')
    assert areas.tolist() == [int(mask_api.area(mask)) for mask in masks]
    assert checked == masks


@pytest.mark.parametrize(
    'segmentation, message',
    [
        (None, 'is None; expected polygons or run lengths'),
        ([], r'is \[\]; expected polygons'),
        ([[1, 2, 3]], r'has polygon \[1, 2, 3\]'),
        ([[1, 2, 3, 4, 5, 'x']], r"has polygon \[1, 2, 3, 4, 5, 'x'\]; expected numbers"),
        ([[1, 2, 3, 4, 5, 1e300]], r'expected numbers within \+-100000 pixels'),
        ([[1, 2, 3, 4], [1, 2, 3, 4, 5, 6]], 'of two points'),
        ({'size': [20, 10], 'counts': 'x'}, r'has size \[20, 10\]; its image has \[10, 20\]'),
        ({'size': [10, 20]}, 'neither text nor a list'),
        ({'size': [10, 20], 'counts': [100, 101]}, 'do not fill 10 x 20 pixels'),
        ({'size': [10, 20], 'counts': [250, -50]}, 'neither text nor a list'),
        ({'size': [10, 20], 'counts': '1'}, 'broken: its run lengths do not fill 10 x 20 pixels'),
        ({'size': [10, 20], 'counts': '\x07~'}, 'broken'),
        ({'size': [10, 20], 'counts': 'ooooooooooooooo'}, 'broken'),
    ],
)
def test_a_broken_mask_is_one_message(segmentation, message):
    with pytest.raises(UserError, match=rf'masks\[0\]: segmentation .*{message}'):
        area(segmentation)


def test_a_mask_needs_the_size_of_its_image():
    with pytest.raises(UserError, match="its image has no 'width' and 'height'"):
        area(SQUARE, width=np.nan)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=12) | st.binary(max_size=12))
def test_no_text_of_counts_gives_another_error_than_our_own(counts):
    try:
        masks, areas = compress_masks(
            [{'size': [2, 3], 'counts': counts}], np.array([[3.0, 2.0]]), 'm'
        )
    except UserError:
        return
    assert mask_api.decode(masks[0]).sum() == areas[0] <= 6
