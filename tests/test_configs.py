"""Every config of the repository builds, learns and predicts; and says what it is."""

import argparse
import ast
import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.cli._runner import load_config
from mmdet_spatialattn.clutter import stratify
from mmdet_spatialattn.coco import load_annotations
from mmdet_spatialattn.coco.convert import formats
from mmdet_spatialattn.registry import METRICS

ROOT = Path(__file__).resolve().parents[1] / 'configs'
FILES = sorted(ROOT.rglob('*.py'))
DETECTORS = [
    path for path in FILES if path.relative_to(ROOT).parts[0] not in ('_base_', 'experiments')
]


def name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def n_classes(model):
    """The number of classes that the heads of a model config agree on."""
    names = set()

    def walk(value):
        if isinstance(value, dict):
            if 'num_classes' in value:
                names.add(value['num_classes'])
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for item in value:
                walk(item)

    walk(model)
    assert len(names) == 1, names
    return names.pop()


def make_small(model):
    """Let a detector start from scratch, on few boxes, on images of the size they are given in."""
    model.backbone.init_cfg = None  # the weights would be downloaded
    model.data_preprocessor.pop('batch_augments', None)
    if 'num_queries' in model:
        model.num_queries = 30
    for cfg in (model.get('train_cfg') or {}, model.get('test_cfg') or {}):
        for proposals in (cfg.get('rpn_proposal'), cfg.get('rpn')):
            if proposals and 'max_per_img' in proposals:
                proposals.update(nms_pre=100, max_per_img=20)


@pytest.mark.parametrize('path', DETECTORS, ids=name)
def test_it_builds_learns_and_predicts(path):
    from mmdet.registry import MODELS
    from mmdet.testing import demo_mm_inputs

    config = Config.fromfile(path)
    make_small(config.model)
    model = MODELS.build(config.model)
    model.init_weights()  # some parameters of MMDetection are uninitialised memory before it
    loader = config.get('train_dataloader')
    classes = n_classes(config.model)
    metainfo = loader.dataset.get('metainfo') if loader else None
    assert metainfo is None or len(metainfo['classes']) == classes
    inputs = demo_mm_inputs(
        2,
        [[3, 128, 128], [3, 96, 128]],
        num_items=[3, 1],
        num_classes=max(classes, 2),
        with_mask=model.with_mask,
    )
    if classes == 1:
        for sample in inputs['data_samples']:
            sample.gt_instances.labels.zero_()
    data = model.data_preprocessor(inputs, training=True)
    losses = model.parse_losses(model.train()(**data, mode='loss'))[0]
    assert torch.isfinite(losses)
    losses.backward()
    for key, parameter in model.named_parameters():
        if 'spatialattn' in key and parameter.requires_grad:
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key
    with torch.no_grad():
        predicted = model.eval()(**model.data_preprocessor(inputs), mode='predict')
    assert len(predicted) == 2
    for sample in predicted:
        instances = sample.pred_instances
        assert instances.bboxes.shape == (len(instances.scores), 4)


@pytest.mark.parametrize('path', FILES, ids=name)
def test_it_says_what_it_is_and_how_it_is_run(path):
    doc = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8')))
    assert doc and len(doc.splitlines()[0]) <= 100
    for word in doc.split():
        if word.startswith('configs/') and word.endswith('.py'):
            assert (ROOT.parent / word).is_file(), word


@pytest.mark.parametrize('path', DETECTORS, ids=name)
def test_it_is_a_difference_against_at_most_three_parents(path):
    depth = 0
    while path is not None:
        bases = [b for b in own_bases(path) if '::' not in b and '_base_/' not in b]
        path = (path.parent / bases[0]).resolve() if bases else None
        depth += 1
    assert depth <= 3


def own_bases(path):
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            bases = ast.literal_eval(node.value)
            return bases if isinstance(bases, list) else [bases]
    return []


@pytest.mark.parametrize('given', ['elsewhere/set', 'elsewhere/set/'])
@pytest.mark.parametrize('folder', ['clutter_digits', 'bccd'])
def test_one_key_moves_the_data(folder, given):
    path = next((ROOT / folder).glob('retinanet_r18-narrow_fpn_*.py'))
    arguments = argparse.Namespace(
        config=str(path), launcher='none', work_dir='out', cfg_options=[f'data_root={given}']
    )
    config = load_config(arguments, ('model',))
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.data_root == 'elsewhere/set/'
    assert config.val_evaluator.ann_file == 'elsewhere/set/annotations/val.json'
    assert config.test_evaluator.ann_file.startswith('elsewhere/set/annotations/')
    assert f'data/{folder}' not in config.pretty_text
    arguments.cfg_options = []
    assert (
        load_config(arguments, ('model',)).train_dataloader.dataset.data_root == f'data/{folder}/'
    )


@pytest.mark.parametrize('name', ['coco_clutter', 'crowdhuman', 'visdrone', 'ochuman'])
def test_a_detector_inherits_a_set_of_crowded_scenes(name, tmp_path):
    path = tmp_path / 'detector.py'
    path.write_text(
        "_base_ = ['mmdet::_base_/models/retinanet_r50_fpn.py', "
        f"{str(ROOT / '_base_/datasets' / name)!r} + '.py']"
    )
    config = Config.fromfile(path)
    data = {
        'images': [{'id': 1, 'file_name': 'a.jpg', 'width': 20, 'height': 20}],
        'categories': [{'id': 1, 'name': 'person'}],
        'annotations': [
            {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 9, 9], 'area': 81,
             'iscrowd': 0, 'vbox': [0, 0, 9, 5]}
        ],
    }  # fmt: skip
    (tmp_path / 'val.json').write_text(json.dumps(data))
    metric = METRICS.build({**config.val_evaluator, 'ann_file': str(tmp_path / 'val.json')})
    assert stratify(load_annotations(data), metric.strata).labels.tolist() != []
    loaders = (config.train_dataloader, config.val_dataloader, config.test_dataloader)
    classes = {tuple(loader.dataset.get('metainfo', {}).get('classes', ())) for loader in loaders}
    (classes,) = classes  # the same in all
    expected = {'coco_clutter': set(), 'visdrone': set(formats._VISDRONE)}.get(name, {'person'})
    assert set(classes) == expected
