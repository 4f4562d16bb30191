"""Loading COCO files: what comes out, and what is said about broken ones."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.errors import UserError

GROUND_TRUTH = {
    'images': [
        {'id': 7, 'width': 40, 'height': 30, 'file_name': 'b.png'},
        {'id': 3, 'width': 20, 'height': 10},
    ],
    'categories': [{'id': 2, 'name': 'cell'}, {'id': 1, 'name': 'nut'}],
    'annotations': [
        {
            'id': 5,
            'image_id': 7,
            'category_id': 2,
            'bbox': [1, 2, 3, 4.5],
            'area': 11,
            'iscrowd': 0,
        },
        {'id': 4, 'image_id': 3, 'category_id': 1, 'bbox': [0, 0, 9, 9], 'iscrowd': 1},
    ],
}
RESULT = [{'image_id': 7, 'category_id': 2, 'bbox': [1, 2, 3, 4], 'score': 0.5}]


def changed(*path_and_value):
    """The ground truth with the entry at a path replaced; ``...`` removes it."""
    *path, value = path_and_value
    data = copy.deepcopy(GROUND_TRUTH)
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return data


def test_arrays_hold_what_the_file_says():
    truth = load_annotations(GROUND_TRUTH)
    assert truth.image_ids == [3, 7]
    assert truth.category_ids == [1, 2]
    assert truth.category_names == ['nut', 'cell']
    assert truth.file_names == ['', 'b.png']
    assert truth.image_sizes.tolist() == [[20, 10], [40, 30]]
    assert truth.ids.tolist() == [5, 4]
    assert truth.image.tolist() == [1, 0]
    assert truth.category.tolist() == [1, 0]
    assert truth.boxes.tolist() == [[1, 2, 3, 4.5], [0, 0, 9, 9]]
    assert truth.area.tolist() == [11, 81]
    assert truth.iscrowd.tolist() == [False, True]
    assert truth.notes == ("1 of 2 objects have no 'area': taken from the box",)


def test_detections_hold_what_the_file_says(tmp_path):
    (tmp_path / 'r.json').write_text(json.dumps(RESULT))
    detections = load_detections(tmp_path / 'r.json', load_annotations(GROUND_TRUTH))
    assert (detections.image.tolist(), detections.category.tolist()) == ([1], [1])
    assert (detections.boxes.tolist(), detections.scores.tolist()) == ([[1, 2, 3, 4]], [0.5])
    assert detections.area.tolist() == [12]
    assert detections.masks is None


def test_no_detections_is_a_result():
    assert len(load_detections([], load_annotations(GROUND_TRUTH))) == 0


def test_loaded_data_passes_through():
    truth = load_annotations(GROUND_TRUTH)
    detections = load_detections(RESULT, truth)
    assert load_annotations(truth) is truth
    assert load_detections(detections, truth) is detections


def test_area_of_masks_without_boxes_is_that_of_the_mask(repository):
    folder = repository / 'tests' / 'data' / 'val2014_100'
    truth = load_annotations(folder / 'instances_val2014_100.json')
    detections = load_detections(
        folder / 'instances_val2014_fakesegm100_results.json', truth, iou_type='segm'
    )
    assert len(detections.masks) == len(detections) == 734
    assert detections.area[0] == 53487  # of 84,668 pixels in its box
    assert detections.boxes[0].tolist() == [259, 41, 347, 244]


@pytest.mark.parametrize(
    'data, message',
    [
        ([], 'is a list, as files of detections are'),
        (None, 'holds null; expected an object'),
        (changed('images', ...), "has no 'images'"),
        (changed('annotations', ...), 'test set without ground truth'),
        (changed('categories', {}), "'categories' is an object; expected a list"),
        (changed('images', []), "'images' is empty"),
        (changed('images', 0, 5), r'images\[0\] is 5; expected an object'),
        (changed('images', 0, 'id', ...), r"images\[0\] has no 'id'"),
        (changed('images', 1, 'id', 7), r'images\[1\]: id 7 is already that of entry 0'),
        (changed('images', 1, 'id', '3'), r"images\[1\]: id is '3', but 7 before"),
        (changed('images', 0, 'id', None), r'id is null; expected an integer or a string'),
        (
            changed('images', 0, 'width', 'x'),
            r"images\[0\]: width is 'x'; expected a finite number",
        ),
        (changed('categories', 0, 'id', 'x'), r"categories\[0\]: id is 'x'; expected an integer"),
        (changed('categories', 1, 'id', 2), r'categories\[1\]: id 2 is already'),
        (changed('annotations', 1, 'id', 5), r'annotations\[1\]: id 5 is already that of entry 0'),
        (changed('annotations', 1, 'id', 1 << 60), r'expected an integer below 2\^53'),
        (changed('annotations', 0, 'image_id', 8), 'image_id 8 is not an image of the annotations'),
        (changed('annotations', 0, 'image_id', '7'), 'the ids there are of another type'),
        (changed('annotations', 0, 'category_id', 0), 'counts classes from 0'),
        (changed('annotations', 0, 'bbox', ...), r"annotations\[0\] has no 'bbox'"),
        (changed('annotations', 1, 'bbox', [1, 2, 3]), r'annotations\[1\]: bbox is \[1, 2, 3\]'),
        (changed('annotations', 1, 'bbox', [1, 2, 3, '4']), 'four|finite numbers'),
        (changed('annotations', 1, 'bbox', [1, 2, 3, True]), 'finite numbers'),
        (changed('annotations', 1, 'bbox', [1, 2, 3, 10**400]), 'finite numbers'),
        (changed('annotations', 1, 'bbox', [1, 2, math.nan, 4]), 'finite numbers'),
        (changed('annotations', 1, 'bbox', [1, 2, -3, 4]), r'\[1, 2, -3, 4\] has a negative size'),
        (changed('annotations', 1, 'area', math.inf), 'area is inf; expected a finite number'),
        (changed('annotations', 1, 'iscrowd', '0'), "iscrowd is '0'; expected a finite number"),
    ],
)
def test_a_broken_annotation_file_is_one_message(data, message):
    with pytest.raises(UserError, match=message):
        load_annotations(data)


@pytest.mark.parametrize(
    'change, message',
    [
        (
            {'image_id': 8},
            r'image_id 8 is not an image .*1 of 1 entries.* belong to the same split',
        ),
        ({'image_id': '7'}, r'ids there are of another type \(as 3\)'),
        ({'image_id': [7]}, r'image_id \[7\] is not an image'),
        ({'category_id': 0}, r'category_id 0 is not a category .* it has 1, 2; .* classes from 0'),
        ({'score': math.nan}, 'score is nan; expected a finite number'),
        ({'score': '0.5'}, "score is '0.5'; expected a finite number"),
        ({'bbox': [0, 0, -1, 1]}, 'has a negative size'),
        ({'bbox': [0, 0, math.inf, 1]}, 'finite numbers'),
        ({'bbox': None, 'segmentation': [[1, 2]]}, r'\[0\]: segmentation has polygon \[1, 2\]'),
    ],
)
def test_a_broken_detection_is_one_message(change, message):
    with pytest.raises(UserError, match=message):
        load_detections([{**RESULT[0], **change}], load_annotations(GROUND_TRUTH))


@pytest.mark.parametrize(
    'data, message',
    [
        ({'a': 1}, 'is an object; expected a list of detections'),
        (GROUND_TRUTH, 'this is an annotation file'),
        (7, 'holds 7; expected a list of detections'),
        ([{'image_id': 7, 'category_id': 2, 'bbox': [1, 2, 3, 4]}], r"\[0\] has no 'score'"),
        (['x'], r"\[0\] is 'x'; expected an object"),
    ],
)
def test_what_is_no_list_of_detections_is_one_message(data, message):
    with pytest.raises(UserError, match=message):
        load_detections(data, load_annotations(GROUND_TRUTH))


def test_what_pycocotools_accepts_silently_is_said_in_notes():
    notes = load_annotations(changed('annotations', 0, 'bbox', [5, 5, 0, 4])).notes
    assert any('width or height 0' in note and 'annotation 5' in note for note in notes)
    notes = load_annotations(changed('annotations', 0, 'id', 0)).notes
    assert any('annotation with id 0' in note for note in notes)
    notes = load_annotations(changed('annotations', 0, 'ignore', 1)).notes
    assert any("'ignore' without 'iscrowd'" in note for note in notes)


def test_unreadable_files_are_one_message(tmp_path):
    truth = load_annotations(GROUND_TRUTH)
    text = json.dumps(GROUND_TRUTH)
    for name, content in [
        ('truncated', text[: len(text) // 2]),
        ('digits', '9' * 5000),
        ('deep', '[' * 100_000),
        ('binary', b'\x89PNG\xff'),
    ]:
        path = tmp_path / f'{name}.json'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        for load in (load_annotations, lambda p: load_detections(p, truth)):
            with pytest.raises(UserError, match=f'{name}.json is not JSON'):
                load(path)
    with pytest.raises(UserError, match='cannot read'):
        load_annotations(tmp_path / 'absent.json')
    with pytest.raises(UserError, match='cannot read'):
        load_annotations(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda child: st.lists(child, max_size=4) | st.dictionaries(st.text(max_size=3), child),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_mutation_of_a_file_gives_another_error_than_our_own(data):
    broken = copy.deepcopy(GROUND_TRUTH)
    for _ in range(data.draw(st.integers(1, 3))):
        parent, key = broken, data.draw(st.sampled_from(['images', 'categories', 'annotations']))
        while isinstance(
            parent.get(key) if isinstance(parent, dict) else parent[key], (dict, list)
        ):
            child = parent[key]
            keys = list(child) if isinstance(child, dict) else list(range(len(child)))
            if not keys or data.draw(st.booleans()):
                break
            parent, key = child, data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) and isinstance(parent, dict):
            parent.pop(key, None)
        else:
            parent[key] = data.draw(JSON)
        if not all(isinstance(broken.get(k), list) for k in GROUND_TRUTH):
            break
    try:
        truth = load_annotations(broken)
    except UserError:
        return
    assert np.isfinite(truth.boxes).all()
    assert (truth.image < len(truth.image_ids)).all()


@settings(max_examples=300, deadline=None)
@given(
    entries=st.lists(
        st.fixed_dictionaries(
            {
                'image_id': st.just(7) | JSON,
                'category_id': st.just(2) | JSON,
                'score': st.floats() | JSON,
            },
            optional={
                'bbox': st.lists(st.floats() | st.integers(), min_size=4, max_size=4) | JSON,
                'segmentation': JSON,
            },
        )
        | JSON,
        max_size=3,
    )
    | JSON
)
def test_no_list_of_detections_gives_another_error_than_our_own(entries):
    try:
        detections = load_detections(entries, load_annotations(GROUND_TRUTH), iou_type='segm')
    except UserError:
        return
    assert np.isfinite(detections.boxes).all()
    assert np.isfinite(detections.scores).all()


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_no_file_gives_another_error_than_our_own(content, tmp_path_factory):
    path = tmp_path_factory.mktemp('fuzz') / 'a.json'
    path.write_bytes(content)
    for load in (load_annotations, lambda p: load_detections(p, load_annotations(GROUND_TRUTH))):
        try:
            load(path)
        except UserError as error:
            assert str(path) in str(error)
