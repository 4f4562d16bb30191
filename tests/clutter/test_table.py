"""The table of all measures: sidecar, summaries, real data, mistakes in what is given."""

import json

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from mmdet_spatialattn.clutter import ClutterTable, clutter_measures
from mmdet_spatialattn.clutter.measures import (
    IMAGE_MEASURES,
    OBJECT_MEASURES,
    PIXEL_MEASURES,
    visible_boxes,
)
from mmdet_spatialattn.clutter.table import spearman
from mmdet_spatialattn.coco import load_annotations, read_image
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.results import Refused
from tests.evaluation.samples import small_set, write_images


@pytest.fixture
def images(tmp_path):
    """A folder with the two images."""
    return write_images(tmp_path)


def test_every_measure_is_there_by_object_and_by_image(images):
    table = clutter_measures(small_set(), images)
    assert list(table.objects) == list(OBJECT_MEASURES)
    assert list(table.images) == [*IMAGE_MEASURES, *PIXEL_MEASURES]
    assert table.objects['cover'][:2].tolist() == [0.5, 0.5]
    assert np.isnan(table.objects['cover'][2])
    # Images come in the order of their ids.
    assert table.images['n_objects'].tolist() == [0, 2]
    assert (table.images['feature_congestion'] > 0.5).all()
    assert table.object_values('n_objects')[:2].tolist() == [2, 2]
    assert np.isnan(table.object_values('n_objects')[2])
    np.testing.assert_array_equal(table.mean_of_image('cover'), [np.nan, 0.5])


def test_pixels_are_measured_outside_all_boxes_crowd_regions_too(images):
    before = clutter_measures(small_set(), images).images
    picture = cv2.imread(str(images / 'a.png'))
    picture[:10, :15] = 0
    picture[20:, :30] = 255
    cv2.imwrite(str(images / 'a.png'), picture)
    after = clutter_measures(small_set(), images).images
    for name in PIXEL_MEASURES:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def test_the_sidecar_is_keyed_by_ids_and_comes_back(images, tmp_path):
    table = clutter_measures(small_set(), images)
    table.to_json(tmp_path / 'sidecar.json')
    data = json.loads((tmp_path / 'sidecar.json').read_text())
    assert data['format'] == 'mmdet_spatialattn clutter' and data['version'] == 1
    assert list(data['objects']) == ['10', '11']
    assert data['objects']['10']['cover'] == 0.5 and data['objects']['10']['occlusion'] is None
    assert data['images']['7']['n_objects'] == 2
    assert set(data['meanings']) == {*data['objects']['10'], *data['images']['7']}
    again = ClutterTable.read(tmp_path / 'sidecar.json', small_set())
    for unit in ('objects', 'images'):
        columns = getattr(again, unit)
        assert list(columns) == list(getattr(table, unit))
        for name, values in getattr(table, unit).items():
            np.testing.assert_array_equal(columns[name], values)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda data: data.update(format='coco'), 'is not a clutter sidecar'),
        (lambda data: data.update(version=2), 'has version 2'),
        (lambda data: data['objects'].pop('10'), '1 of 2 objects are not in it'),
        (lambda data: data['images'].update({'9': {}}), 'written for other annotations'),
        (lambda data: data.update(objects=[]), "'objects' is damaged"),
        (lambda data: data['objects']['11'].update(cover='high'), "'objects' is damaged"),
        (lambda data: data['objects']['11'].pop('cover'), "'objects' is damaged"),
        (lambda data: data.pop('images'), "'images' is damaged"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_refused(tmp_path, change, message):
    data = clutter_measures(small_set()).to_dict()
    change(data)
    (tmp_path / 'sidecar.json').write_text(json.dumps(data))
    with pytest.raises(UserError, match=message):
        ClutterTable.read(tmp_path / 'sidecar.json', small_set())


def test_data_frames_have_a_row_per_object_and_per_image():
    table = clutter_measures(small_set())
    objects, images = table.to_pandas(), table.to_pandas('images')
    assert objects.index.tolist() == [10, 11]
    assert objects.loc[10, ['image_id', 'category', 'cover']].tolist() == [7, 'cell', 0.5]
    assert images.loc[3, ['file_name', 'n_objects']].tolist() == ['sub/b.png', 0]


def test_the_text_names_the_set_and_its_measures():
    text = str(clutter_measures(small_set()))
    assert 'the annotations: 2 objects in 2 images, and 1 crowd regions' in text
    assert 'cover' in text and 'occlusion' not in text  # no annotation has a visible box
    assert "stratum 'crowded' has 2 objects, fewer than 30" in text


def test_a_notebook_shows_the_tables_of_the_text():
    table = clutter_measures(small_set())
    tables = table.tables()
    assert [t.header[0] for t in tables] == ['measure', '', 'stratum']
    assert table._repr_html_() == ''.join(t.html() for t in tables)
    assert all(t.text() in str(table) for t in tables)


def test_the_summary_is_plain_data():
    summary = clutter_measures(small_set()).summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary['correlations']['objects']['max_iou']['rel_size'] is None  # constant
    assert summary['strata'][2]['sizes'] == {'small': 2, 'medium': 0, 'large': 0}


def test_strata_are_counted_by_hand():
    strata = clutter_measures(small_set()).strata()
    counts = [(s.name, s.objects, s.images, s.sizes['small']) for s in strata]
    assert counts == [('clean', 0, 0, 0), ('touching', 0, 0, 0), ('crowded', 2, 1, 2)]
    assert not any(stratum.enough for stratum in strata)
    assert [s.objects for s in clutter_measures(small_set()).strata('max_iou:0.5')] == [2, 0]


def test_correlations_know_sizes_of_objects_and_of_images():
    table = clutter_measures(small_set())
    table.objects['rel_size'][:2] = [0.1, 0.2]
    table.objects['cover'][:2] = [0.9, 0.1]
    correlations = table.correlations()
    assert correlations['objects']['cover']['rel_size'] == pytest.approx(-1)
    constant = correlations['objects']['max_iou']['rel_size']
    assert constant == Refused('all values of a measure are equal')
    assert 'occlusion' not in correlations['objects']
    assert 'mean rel_size' in correlations['images']


def test_a_set_without_objects_has_a_table_too():
    table = clutter_measures({**small_set(), 'annotations': []})
    assert table.strata() == ()
    assert '0 objects in 2 images' in str(table)
    assert table.to_dict()['objects'] == {}


def test_spearman_equals_scipy_with_ties_and_gaps():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 200)).astype(float)
    b += a
    expected = spearmanr(a, b).statistic
    a[rng.integers(0, 200, 20)] = np.nan
    assert spearman(a, b) == pytest.approx(spearmanr(a, b, nan_policy='omit').statistic, abs=1e-12)
    assert spearman(a, b) == pytest.approx(expected, abs=0.1)
    assert spearman(a, np.ones(200)) == Refused('all values of a measure are equal')
    assert spearman(a[:0], b[:0]) == Refused('fewer than two values of both measures')


def test_visible_boxes_are_found_under_the_names_in_use():
    data = small_set()
    data['annotations'][0]['vbox'] = [0, 0, 10, 5]
    data['annotations'][1]['bboxVis'] = [5, 0, 2.5, 10]
    np.testing.assert_allclose(clutter_measures(data).objects['occlusion'], [0.5, 0.75, np.nan])


def test_objects_can_be_sorted_by_their_occlusion():
    data = small_set()
    for row, height in zip(data['annotations'], (10, 4)):
        row['vis_bbox'] = [*row['bbox'][:3], height]
    strata = clutter_measures(data).strata('occlusion:0.35')
    assert [stratum.objects for stratum in strata] == [1, 1]


@pytest.mark.parametrize('value', ['x', [1, 2, 3], [0, 0, -1, 2], [0, 0, None, 2], {}])
def test_a_visible_box_that_is_none_is_refused(value):
    data = small_set()
    data['annotations'][1]['vis_bbox'] = value
    with pytest.raises(UserError, match=r'annotations\[1\]: vis_bbox is'):
        visible_boxes(load_annotations(data))


def test_images_that_do_not_fit_are_refused(images):
    with pytest.raises(UserError, match=r"2 of the 2 images .* \(first: image 3, .*'sub/b.png'"):
        clutter_measures(small_set(), images / 'elsewhere')
    cv2.imwrite(str(images / 'a.png'), np.zeros((30, 41, 3), np.uint8))
    with pytest.raises(UserError, match='is 41 x 30 pixels, its annotations say 40 x 30'):
        clutter_measures(small_set(), images)
    for content in (b'', b'not an image'):
        (images / 'a.png').write_bytes(content)
        with pytest.raises(UserError, match='OpenCV cannot read it'):
            clutter_measures(small_set(), images)
    with pytest.raises(UserError, match='cannot read the image'):
        read_image(images / 'sub', (1, 1))


def test_the_real_blood_cells_have_the_stated_number_of_crowded_boxes(shared_data):
    files = [shared_data / f'bccd/annotations/{split}.json' for split in ('val', 'test')]
    max_iou = np.concatenate([clutter_measures(path).objects['max_iou'] for path in files])
    assert [int((max_iou > cut).sum()) for cut in (0.1, 0.3, 0.5)] == [442, 84, 6]


def test_the_real_nuclei_and_their_pixels(shared_data):
    folder = shared_data / 'dsb2018_crowded'
    table = clutter_measures(folder / 'annotations/val.json')
    assert np.nanmax(table.images['n_objects']) == 272
    few = {**json.loads((folder / 'annotations/val.json').read_text())}
    few['images'] = few['images'][:2]
    ids = {image['id'] for image in few['images']}
    few['annotations'] = [a for a in few['annotations'] if a['image_id'] in ids]
    pixels = clutter_measures(few, folder / 'images').images
    assert (pixels['feature_congestion'] > 0).all() and (pixels['edge_density'] < 0.5).all()


def test_the_cover_of_generated_scenes_is_the_one_they_are_made_with(tmp_path):
    pytest.importorskip('sklearn')
    from mmdet_spatialattn.datasets.scenes import write_scenes

    write_scenes(tmp_path / 'digits', images=10, levels=[2])
    annotations = load_annotations(tmp_path / 'digits/annotations/train.json')
    expected = [record['cover'] for record in annotations.records]
    np.testing.assert_allclose(clutter_measures(annotations).objects['cover'], expected, atol=1e-9)


def test_the_plot_shows_each_measure_that_has_numbers():
    figure = clutter_measures(small_set()).plot()
    shown = {trace.name: sum(trace.y) for trace in figure.data}
    assert set(shown) == {*OBJECT_MEASURES, *IMAGE_MEASURES} - {'occlusion'}
    assert shown['cover'] == 2 and shown['n_objects'] == 2
