"""The measures of objects and images, against hand-computed numbers and slow oracles."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_utils

from mmdet_spatialattn.clutter.measures import image_measures, object_measures, union_area


def random_set(seed, n_images=6, n_boxes=60, side=40, crowd_rate=0.1):
    """Integer boxes on small images, so that a raster of pixels is exact."""
    rng = np.random.default_rng(seed)
    xy = rng.integers(0, side - 1, (n_boxes, 2))
    wh = rng.integers(1, side // 2, (n_boxes, 2))
    return {
        'boxes': np.concatenate([xy, np.minimum(wh, side - xy)], axis=1).astype(float),
        'image': rng.integers(0, n_images, n_boxes),
        'category': rng.integers(0, 3, n_boxes),
        'crowd': rng.random(n_boxes) < crowd_rate,
        'image_size': np.full((n_images, 2), side),
    }


def raster(boxes, side=40):
    """One boolean picture per box."""
    masks = np.zeros((len(boxes), side, side), dtype=bool)
    for mask, (x, y, w, h) in zip(masks, boxes.astype(int)):
        mask[y : y + h, x : x + w] = True
    return masks


def one_image(boxes, category=None, crowd=None, size=(100, 100)):
    n = len(boxes)
    return {
        'boxes': np.array(boxes, dtype=float).reshape(n, 4),
        'image': np.zeros(n, dtype=int),
        'category': np.zeros(n) if category is None else np.array(category),
        'crowd': np.zeros(n) if crowd is None else np.array(crowd),
        'image_size': np.array([size]),
    }


def test_two_boxes_by_hand():
    data = one_image([[0, 0, 10, 10], [5, 0, 10, 20]], category=[1, 2], size=(50, 40))
    objects, image = object_measures(**data), image_measures(**data)
    assert objects['max_iou'] == pytest.approx([50 / 250] * 2)
    assert objects['max_iou_same'].tolist() == [0, 0]
    assert objects['cover'] == pytest.approx([0.5, 0.25])
    assert objects['rel_size'] == pytest.approx([(100 / 2000) ** 0.5, (200 / 2000) ** 0.5])
    # Centres (5, 5) and (10, 10) are 7.07 apart; the reaches are 20 and 28.3.
    assert objects['neighbours'].tolist() == [1, 1]
    assert np.isnan(objects['occlusion']).all()
    # (10, 10) is on the edge of the first box, (5, 5) on that of the second: not inside.
    assert {name: values[0] for name, values in image.items()} == pytest.approx(
        {
            'n_objects': 2,
            'crowd_index': 0,
            'overlap_ratio': 50 / 250,
            'area_share': 250 / 2000,
            'n_categories': 2,
        }
    )


def test_the_reach_of_neighbours_grows_with_the_box():
    data = one_image([[0, 0, 4, 4], [20, 0, 30, 30]])  # centres (2, 2), (35, 15): 35.5 apart
    assert object_measures(**data)['neighbours'].tolist() == [0, 1]


def test_cover_sees_a_big_box_in_front_of_a_small_one_where_iou_does_not():
    objects = object_measures(**one_image([[40, 40, 10, 10], [0, 0, 100, 100]]))
    assert objects['cover'] == pytest.approx([1, 0.01])
    assert objects['max_iou'] == pytest.approx([0.01, 0.01])


def test_a_crowd_region_covers_but_is_no_object():
    data = one_image([[0, 0, 10, 10], [5, 0, 10, 10], [0, 0, 10, 5]], crowd=[0, 0, 1])
    objects, image = object_measures(**data), image_measures(**data)
    assert objects['cover'][:2] == pytest.approx([0.75, 0.5])
    assert objects['max_iou'][:2] == pytest.approx([1 / 3, 1 / 3])
    assert objects['neighbours'][:2].tolist() == [1, 1]
    assert all(np.isnan(values[2]) for values in objects.values())
    assert image['n_objects'] == 2
    assert image['overlap_ratio'] == pytest.approx(50 / 150)


def test_occlusion_counts_the_visible_part_inside_the_box():
    data = one_image([[0, 0, 10, 10], [50, 50, 10, 10], [80, 80, 5, 5]])
    visible = np.array([[0, 0, 5, 10], [55, 50, 10, 10], [np.nan] * 4])
    occlusion = object_measures(**data, visible=visible)['occlusion']
    assert occlusion[:2] == pytest.approx([0.5, 0.5])
    assert np.isnan(occlusion[2])


def test_area_share_counts_only_what_lies_inside_the_image():
    image = image_measures(**one_image([[-10, -10, 20, 20], [90, 0, 50, 100]]))
    assert image['area_share'] == pytest.approx([(100 + 1000) / 10000])


@pytest.mark.parametrize('size', [(np.nan, np.nan), (0, 100)])
def test_an_image_of_unknown_size_leaves_the_relative_measures_open(size):
    data = one_image([[0, 0, 10, 10]], size=size)
    assert np.isnan(object_measures(**data)['rel_size']).all()
    assert np.isnan(image_measures(**data)['area_share']).all()
    assert object_measures(**data)['cover'].tolist() == [0]


def test_a_box_of_size_zero_has_no_clutter_and_makes_none():
    data = one_image([[0, 0, 10, 10], [5, 5, 0, 0], [5, 5, 0, 0], [5, 0, 0, 10]])
    objects = object_measures(**data, visible=data['boxes'])
    assert objects['cover'].tolist() == objects['max_iou'].tolist() == [0, 0, 0, 0]
    assert objects['rel_size'].tolist() == [0.1, 0, 0, 0]
    assert image_measures(**data)['overlap_ratio'].tolist() == [0]


def test_no_boxes_and_empty_images():
    data = one_image([])
    assert all(len(values) == 0 for values in object_measures(**data).values())
    assert all(values.tolist() == [0] for values in image_measures(**data).values())


@pytest.mark.parametrize('seed', range(20))
def test_object_measures_equal_pixel_counts_and_pycocotools(seed):
    data = random_set(seed)
    measured = object_measures(**data)
    boxes, image, crowd = data['boxes'], data['image'], data['crowd']
    masks, pairwise = raster(boxes), mask_utils.iou(boxes, boxes, np.zeros(len(boxes)))
    for i in range(len(boxes)):
        if crowd[i]:
            assert all(np.isnan(values[i]) for values in measured.values())
            continue
        others = (image == image[i]) & (np.arange(len(boxes)) != i)
        objects = others & ~crowd
        same = objects & (data['category'] == data['category'][i])
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        distance = np.linalg.norm(centres - centres[i], axis=1)
        area = boxes[i, 2] * boxes[i, 3]
        expected = {
            'max_iou': max(pairwise[i, objects], default=0),
            'max_iou_same': max(pairwise[i, same], default=0),
            'cover': (masks[i] & masks[others].any(0)).sum() / masks[i].sum(),
            'neighbours': (distance[objects] <= 2 * area**0.5).sum(),
            'rel_size': area**0.5 / 40,
        }
        assert {name: measured[name][i] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize('seed', range(10))
def test_image_measures_equal_pixel_counts(seed):
    data = random_set(seed, n_boxes=40)
    measured = image_measures(**data)
    for index in range(len(data['image_size'])):
        members = (data['image'] == index) & ~data['crowd']
        boxes, masks = data['boxes'][members], raster(data['boxes'][members])
        pairs = list(itertools.combinations(range(len(boxes)), 2))
        centres = boxes[:, :2] + boxes[:, 2:] / 2
        inside = [
            (boxes[a, :2] < centres[b]).all() and (centres[b] < boxes[a, :2] + boxes[a, 2:]).all()
            for a, b in itertools.permutations(range(len(boxes)), 2)
        ]
        union = masks.any(0).sum()
        expected = {
            'n_objects': len(boxes),
            'crowd_index': sum(inside) / max(len(boxes), 1),
            'overlap_ratio': sum((masks[a] & masks[b]).sum() for a, b in pairs) / max(union, 1),
            'area_share': union / 1600,
            'n_categories': len(set(data['category'][members])),
        }
        assert {name: values[index] for name, values in measured.items()} == pytest.approx(expected)


@pytest.mark.parametrize('seed', range(20))
def test_the_union_equals_inclusion_and_exclusion(seed):
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, 5, 25)  # owner 5 has no box
    corners = np.sort(rng.random((25, 2, 2)), axis=1).reshape(25, 4)
    expected = np.zeros(6)
    for index in range(5):
        boxes = corners[owner == index]
        for n in range(1, len(boxes) + 1):
            for subset in itertools.combinations(boxes, n):
                low, high = np.max(subset, axis=0)[:2], np.min(subset, axis=0)[2:]
                expected[index] -= (-1) ** n * np.prod(np.clip(high - low, 0, None))
    assert union_area(owner, corners, 6) == pytest.approx(expected, abs=1e-12)


def test_chunks_change_nothing(monkeypatch):
    data = random_set(0, n_images=3, n_boxes=200)
    whole = {**object_measures(**data), **image_measures(**data)}
    monkeypatch.setattr('mmdet_spatialattn.clutter.measures._CHUNK', 64)
    for name, values in {**object_measures(**data), **image_measures(**data)}.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12, err_msg=name)


def test_measures_do_not_depend_on_the_order_of_the_annotations():
    data = random_set(1)
    order = np.random.default_rng(0).permutation(len(data['image']))
    shuffled = {k: v if k == 'image_size' else v[order] for k, v in data.items()}
    for name, values in object_measures(**shuffled).items():
        np.testing.assert_allclose(values, object_measures(**data)[name][order], err_msg=name)
    for name, values in image_measures(**shuffled).items():
        np.testing.assert_allclose(values, image_measures(**data)[name], err_msg=name)


def test_measures_follow_shifts_and_scales():
    data = random_set(2)
    moved = {
        **data,
        'boxes': data['boxes'] * 8 + [160, 80, 0, 0],
        'image_size': np.full((6, 2), 320),
    }
    for name, values in object_measures(**moved).items():
        np.testing.assert_allclose(values, object_measures(**data)[name], err_msg=name)


coordinate = st.one_of(st.floats(-1e9, 1e9), st.integers(-3, 20).map(float))
side = st.one_of(st.floats(0, 1e9), st.integers(0, 20).map(float))
box = st.tuples(coordinate, coordinate, side, side)
row = st.tuples(box, st.integers(0, 1), st.integers(0, 1), st.booleans())


@settings(max_examples=300, deadline=None)
@given(st.lists(row, max_size=12))
def test_any_boxes_have_measures_within_their_bounds(rows):
    boxes, image, category, crowd = zip(*rows) if rows else ((), (), (), ())
    data = {
        'boxes': np.array(boxes, dtype=float).reshape(-1, 4),
        'image': np.array(image, dtype=int),
        'category': np.array(category, dtype=int),
        'crowd': np.array(crowd, dtype=bool),
        'image_size': np.array([[100, 100], [0, 0]]),
    }
    objects, images = object_measures(**data), image_measures(**data)
    for name in ('max_iou', 'max_iou_same', 'cover'):
        values = objects[name][~data['crowd']]
        assert ((values >= 0) & (values <= 1 + 1e-6)).all(), name
    known = ~data['crowd']
    # What covers best covers at least its intersection, and an IoU is no more than that.
    assert (objects['cover'][known] >= objects['max_iou'][known] - 1e-6).all()
    assert (objects['max_iou'][known] >= objects['max_iou_same'][known]).all()
    assert (images['n_objects'] == np.bincount(data['image'][known], minlength=2)).all()
    assert (images['crowd_index'] <= np.maximum(images['n_objects'] - 1, 0)).all()
    assert 0 <= images['area_share'][0] <= 1 and np.isnan(images['area_share'][1])
