"""A config is pointed at other data; nothing of the old data is left in it."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.coco import load_annotations
from mmdet_spatialattn.errors import MissingFile, UserError
from mmdet_spatialattn.experiments.config import CocoFiles, coco_files
from mmdet_spatialattn.experiments.own_data import (
    check_images,
    classes_of,
    on_own_data,
    split_images,
)

TRAIN = CocoFiles(Path('/set/train.json'), Path('/set/photos'))
TEST = CocoFiles(Path('/set/test.json'), Path('/set/photos'))
INNER = dict(
    type='CocoDataset', data_root='data/coco/', ann_file='a.json', data_prefix=dict(img='i/')
)
DETECTOR = dict(
    data_root='data/coco/',
    model=dict(
        type='CascadeRCNN',
        roi_head=dict(bbox_head=[dict(num_classes=80), dict(num_classes=80)]),
    ),
    train_dataloader=dict(
        batch_size=2,
        dataset=dict(
            type='MultiImageMixDataset',
            dataset=dict(type='ConcatDataset', datasets=[dict(INNER, pipeline=['x']), INNER]),
            pipeline=['mix'],
        ),
    ),
    val_dataloader=dict(dataset=dict(INNER)),
    test_dataloader=dict(dataset=dict(INNER)),
    val_evaluator=dict(type='CocoMetric', ann_file='data/coco/a.json', metric=['bbox', 'segm']),
    test_evaluator=[dict(type='VOCMetric', metric='mAP')],
)


def test_files_classes_and_evaluators_are_those_of_the_data():
    before = copy.deepcopy(DETECTOR)
    config = on_own_data(Config(DETECTOR), TRAIN, TEST, ('cell', 'blob'))
    assert before == DETECTOR
    assert coco_files(config.train_dataloader) == TRAIN
    assert coco_files(config.val_dataloader) == coco_files(config.test_dataloader) == TEST
    assert config.train_dataloader.dataset.pipeline == ['mix']
    assert config.train_dataloader.dataset.dataset.pipeline == ['x']
    assert [head.num_classes for head in config.model.roi_head.bbox_head] == [2, 2]
    assert classes_of(config) == ('cell', 'blob')
    assert config.val_evaluator.metric == ['bbox', 'segm']
    assert config.test_evaluator.metric == 'bbox'
    assert 'data/coco' not in config.pretty_text and "'i/'" not in config.pretty_text


def test_a_config_that_cannot_be_tested_is_refused():
    config = Config({key: value for key, value in DETECTOR.items() if key != 'test_dataloader'})
    with pytest.raises(UserError, match="the config has no 'test_dataloader'"):
        on_own_data(config, TRAIN, TEST, ('cell',))


def test_classes_of_a_data_set_that_names_none_are_those_of_its_type():
    config = Config(dict(test_dataloader=dict(dataset=dict(INNER))))
    assert classes_of(config)[:2] == ('person', 'bicycle') and len(classes_of(config)) == 80


def test_a_split_keeps_every_image_once_with_its_objects():
    content = {
        'info': 'kept',
        'images': [{'id': i} for i in range(50)],
        'annotations': [{'id': i, 'image_id': i // 3} for i in range(150)],
        'categories': [{'id': 1, 'name': 'cell'}],
    }
    train, test = split_images(content)
    ids = [{image['id'] for image in part['images']} for part in (train, test)]
    assert len(ids[1]) == 10 and ids[0].isdisjoint(ids[1])
    assert ids[0] | ids[1] == set(range(50))
    for part, own in zip((train, test), ids):
        assert len(part['annotations']) == 3 * len(own)
        assert {a['image_id'] for a in part['annotations']} == own
        assert part['info'] == 'kept' and part['categories'] == content['categories']
    assert split_images(content)[1] == test
    assert split_images(content, seed=1)[1] != test


def test_missing_images_are_counted_and_named(tmp_path):
    (tmp_path / 'a.jpg').touch()
    names = ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'e.jpg']
    images = [{'id': i, 'file_name': n, 'width': 9, 'height': 9} for i, n in enumerate(names)]
    annotations = load_annotations({'images': images, 'annotations': [], 'categories': [{'id': 1}]})
    with pytest.raises(
        MissingFile, match=r'^4 of the 5 images of .* \(b.jpg, c.jpg, d.jpg, ...\); .* --images$'
    ):
        check_images(annotations, tmp_path)
