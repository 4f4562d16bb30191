"""``ClutterCocoMetric`` against mmdet's ``CocoMetric`` and against our own evaluation."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.evaluation import evaluate
from mmdet_spatialattn.evaluation.coco_metric import ClutterCocoMetric, CocoMetric
from mmdet_spatialattn.registry import METRICS


def problem(seed=0, n_images=12, n_classes=3):
    """Random objects, some crowd regions among them, and detections near them."""
    rng = np.random.default_rng(seed)
    classes = [{'id': 10 * k + 1, 'name': f'class {k}'} for k in range(n_classes)]
    data = {'images': [], 'annotations': [], 'categories': classes}
    samples = []
    for image_id in range(100, 100 + n_images):
        data['images'].append({'id': image_id, 'width': 200, 'height': 150})
        n = int(rng.integers(0, 12))
        boxes = np.concatenate([rng.uniform(0, 90, (n, 2)), rng.uniform(5, 60, (n, 2))], axis=1)
        label = rng.integers(0, n_classes, n)
        for box, k in zip(boxes.tolist(), label.tolist()):
            row = {'id': len(data['annotations']) + 1, 'image_id': image_id, 'bbox': box}
            row |= {'category_id': classes[k]['id'], 'area': box[2] * box[3]}
            data['annotations'].append({**row, 'iscrowd': int(rng.random() < 0.1)})
        predicted = np.repeat(boxes, 3, axis=0) + rng.normal(0, 3, (3 * n, 4))
        predicted = np.concatenate([predicted, rng.uniform(5, 60, (5, 4))])
        predicted[:, 2:] = predicted[:, :2] + predicted[:, 2:].clip(1)
        guess = np.concatenate([label.repeat(3), rng.integers(0, n_classes, 5)])
        prediction = {
            'bboxes': torch.tensor(predicted, dtype=torch.float32),
            'scores': torch.tensor(rng.random(len(predicted)), dtype=torch.float32),
            'labels': torch.tensor(guess),
        }
        samples.append({'img_id': image_id, 'ori_shape': (150, 200), 'pred_instances': prediction})
    return data, samples


def with_masks(data, samples):
    """Give every object and every detection the mask that fills its box."""
    for row in data['annotations']:
        x, y, w, h = row['bbox']
        row['segmentation'] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    for sample in samples:
        boxes = sample['pred_instances']['bboxes'].round().int().clip(0).tolist()
        masks = torch.zeros((len(boxes), 150, 200), dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes):
            mask[y1 : y2 + 1, x1 : x2 + 1] = True
        sample['pred_instances']['masks'] = masks
    return data, samples


def write(folder, data):
    (folder / 'ann.json').write_text(json.dumps(data))
    return str(folder / 'ann.json')


def run(kind, data, samples, classes=None, **kwargs):
    metric = kind(**kwargs)
    metric.dataset_meta = {'classes': classes or [row['name'] for row in data['categories']]}
    metric.process({}, samples)
    return metric.evaluate(len(samples)), metric


@pytest.mark.parametrize('seed', range(3))
def test_the_keys_and_numbers_of_coco_metric_stay(tmp_path, seed):
    data, samples = problem(seed)
    options = dict(ann_file=write(tmp_path, data), classwise=True)
    expected, _ = run(CocoMetric, data, samples, **options)
    metrics, _ = run(ClutterCocoMetric, data, samples, **options)
    assert expected['coco/bbox_mAP'] > 0.1
    assert {name: metrics.pop(name) for name in expected} == expected
    assert set(metrics) == {
        f'clutter/{stratum}_{suffix}'
        for stratum in ('clean', 'touching', 'crowded')
        for suffix in ('AP', 'objects')
    }


def test_every_stratum_has_the_numbers_of_evaluate(tmp_path):
    data, samples = problem()
    prefix = str(tmp_path / 'kept' / 'arm')
    metrics, metric = run(
        ClutterCocoMetric,
        data,
        samples,
        ann_file=write(tmp_path, data),
        outfile_prefix=prefix,
        strata='max_iou:0.05',
    )
    assert metric.kept['bbox'] == f'{prefix}.bbox.json'
    assert [path.name for path in (tmp_path / 'kept').iterdir()] == ['arm.bbox.json']
    expected = evaluate(tmp_path / 'ann.json', f'{prefix}.bbox.json', strata='max_iou:0.05')
    assert len(expected.strata) == 2
    for stratum in expected.strata:
        ap = expected.metrics[stratum.name]['AP']
        assert metrics[f'clutter/{stratum.name}_AP'] == ap
    counts = [metrics[f'clutter/{stratum.name}_objects'] for stratum in expected.strata]
    assert sum(counts) == sum(not row['iscrowd'] for row in data['annotations'])
    assert round(expected.overall['AP'], 3) == metrics['coco/bbox_mAP']


def test_objects_without_iscrowd_are_no_crowd(tmp_path):
    data, samples = problem(1)
    for row in data['annotations']:
        row['iscrowd'] = 0
    expected, _ = run(ClutterCocoMetric, data, samples, ann_file=write(tmp_path, data))
    for row in data['annotations']:
        del row['iscrowd']
    metrics, _ = run(ClutterCocoMetric, data, samples, ann_file=write(tmp_path, data))
    assert metrics == expected


def test_more_detections_count_where_images_hold_more_objects(tmp_path):
    boxes = [[x * 12.0, y * 12.0, 10.0, 10.0] for x in range(15) for y in range(10)]
    rows = [
        {'id': i, 'image_id': 1, 'category_id': 1, 'bbox': box, 'area': 100.0, 'iscrowd': 0}
        for i, box in enumerate(boxes, 1)
    ]
    image = {'id': 1, 'width': 200, 'height': 150, 'file_name': 'a.png'}
    data = {'images': [image], 'annotations': rows, 'categories': [{'id': 1, 'name': 'a'}]}
    corners = torch.tensor(boxes)
    corners[:, 2:] += corners[:, :2]
    found = {'bboxes': corners, 'scores': torch.linspace(1, 0.5, 150)}
    found['labels'] = torch.zeros(150, dtype=torch.long)
    samples = [{'img_id': 1, 'ori_shape': (150, 200), 'pred_instances': found}]
    path = write(tmp_path, data)
    few, _ = run(ClutterCocoMetric, data, samples, ann_file=path)
    all_, _ = run(ClutterCocoMetric, data, samples, ann_file=path, max_detections=200)
    assert few['clutter/clean_AP'] == pytest.approx(0.663, abs=0.001)
    assert all_['clutter/clean_AP'] == 1.0
    with pytest.raises(UserError, match='max_detections must be a number above 10, got 5'):
        ClutterCocoMetric(ann_file=path, max_detections=5)


def test_masks_are_evaluated_beside_boxes(tmp_path):
    data, samples = with_masks(*problem(n_images=6))
    options = dict(ann_file=write(tmp_path, data), metric=['bbox', 'segm'])
    expected, _ = run(CocoMetric, data, samples, **options)
    metrics, _ = run(
        ClutterCocoMetric, data, samples, outfile_prefix=str(tmp_path / 'x'), **options
    )
    assert {name: metrics[name] for name in expected} == expected
    expected = evaluate(tmp_path / 'ann.json', tmp_path / 'x.segm.json', iou_type='segm')
    crowded = expected.metrics['crowded']
    assert metrics['clutter/crowded_segm_AP'] == crowded['AP']
    alone, _ = run(ClutterCocoMetric, data, samples, **{**options, 'metric': 'segm'})
    assert alone['clutter/crowded_AP'] == crowded['AP']


def test_without_a_file_the_objects_of_the_samples_count(tmp_path):
    data, samples = problem()
    numbers = {row['id']: k for k, row in enumerate(data['categories'])}
    for sample in samples:
        sample['instances'] = []
        for row in data['annotations']:
            if row['image_id'] == sample['img_id']:
                x, y, w, h = row['bbox']
                label = numbers[row['category_id']]
                instance = {'bbox': [x, y, x + w, y + h], 'bbox_label': label}
                sample['instances'].append({**instance, 'ignore_flag': row['iscrowd']})
    metrics, _ = run(ClutterCocoMetric, data, samples)
    expected, _ = run(ClutterCocoMetric, data, samples, ann_file=write(tmp_path, data))
    assert metrics == expected


def test_classes_that_the_detector_does_not_know_cover_but_are_not_scored(tmp_path):
    data, samples = problem(n_classes=2)
    known = [row for row in data['annotations'] if row['category_id'] == 1]
    for sample in samples:
        sample['pred_instances']['labels'][:] = 0
    options = dict(ann_file=write(tmp_path, data), classes=['class 0'])
    expected, _ = run(CocoMetric, data, samples, **options)
    metrics, _ = run(ClutterCocoMetric, data, samples, **options)
    assert {name: metrics[name] for name in expected} == expected
    counts = [metrics[f'clutter/{name}_objects'] for name in ('clean', 'touching', 'crowded')]
    assert sum(counts) == sum(not row['iscrowd'] for row in known)
    # One stratum holds all: its AP is the overall one, over the known class.
    whole, _ = run(ClutterCocoMetric, data, samples, strata='cover:2', **options)
    assert whole['clutter/cover < 2_AP'] == pytest.approx(expected['coco/bbox_mAP'], abs=6e-4)
    alone = {**data, 'annotations': known, 'categories': data['categories'][:1]}
    fewer, _ = run(ClutterCocoMetric, alone, samples, ann_file=write(tmp_path, alone))
    assert metrics['clutter/clean_objects'] < fewer['clutter/clean_objects']


def test_nothing_detected_is_an_ap_of_zero_and_an_empty_stratum_is_undefined(tmp_path):
    data, samples = problem(n_images=3)
    for sample in samples:
        sample['pred_instances'] = {k: v[:0] for k, v in sample['pred_instances'].items()}
    path = write(tmp_path, data)
    metrics, _ = run(ClutterCocoMetric, data, samples, ann_file=path, strata='cover:2')
    n = sum(not row['iscrowd'] for row in data['annotations'])
    assert metrics == {
        'clutter/cover < 2_AP': 0,
        'clutter/cover < 2_objects': n,
        'clutter/cover >= 2_AP': -1,
        'clutter/cover >= 2_objects': 0,
    }


def test_detections_are_kept_beside_the_log_of_the_run(tmp_path):
    data, samples = problem(n_images=3)
    (tmp_path / 'run').mkdir()
    MMLogger.get_instance('kept', log_file=str(tmp_path / 'run' / 'log.txt'))
    try:
        _, metric = run(ClutterCocoMetric, data, samples, ann_file=write(tmp_path, data))
    finally:
        MMLogger._instance_dict.pop('kept')
    assert metric.kept['bbox'] == str(tmp_path / 'run' / 'detections.bbox.json')
    kept = json.loads((tmp_path / 'run' / 'detections.bbox.json').read_text())
    assert len(kept) == sum(len(sample['pred_instances']['scores']) for sample in samples)


def test_a_prefix_of_ones_own_stands_before_everything(tmp_path):
    data, samples = problem(n_images=3)
    metrics, _ = run(ClutterCocoMetric, data, samples, ann_file=write(tmp_path, data), prefix='val')
    assert 'val/bbox_mAP' in metrics and 'val/clutter/clean_AP' in metrics


def test_only_formatting_evaluates_nothing(tmp_path):
    data, samples = problem(n_images=3)
    options = dict(ann_file=write(tmp_path, data), format_only=True)
    prefix = str(tmp_path / 'only')
    assert run(ClutterCocoMetric, data, samples, outfile_prefix=prefix, **options)[0] == {}
    assert (tmp_path / 'only.bbox.json').exists()


def test_a_config_builds_it_and_a_wrong_rule_stops_at_once(tmp_path):
    config = dict(
        type='mmdet_spatialattn.ClutterCocoMetric', ann_file=write(tmp_path, problem()[0])
    )
    assert isinstance(METRICS.build(config), ClutterCocoMetric)
    with pytest.raises(UserError, match="unknown clutter measure 'covr'; did you mean 'cover'"):
        METRICS.build({**config, 'strata': 'covr:0.1'})


WORKER = """
import json, pickle, sys
import mmdet_spatialattn
import torch.distributed as dist
from mmdet_spatialattn.evaluation.coco_metric import ClutterCocoMetric, CocoMetric

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
with open(f'{folder}/samples.pkl', 'rb') as file:
    samples, classes = pickle.load(file)
metric = ClutterCocoMetric(ann_file=f'{folder}/ann.json', outfile_prefix=f'{folder}/kept')
metric.dataset_meta = dict(classes=classes)
metric.process({}, samples[rank::2])
with open(f'{folder}/metrics{rank}.json', 'w') as file:
    json.dump(metric.evaluate(len(samples)), file)
"""


def test_two_processes_give_the_numbers_of_one(tmp_path):
    data, samples = problem()
    expected, _ = run(ClutterCocoMetric, data, samples, ann_file=write(tmp_path, data))
    classes = [row['name'] for row in data['categories']]
    (tmp_path / 'samples.pkl').write_bytes(pickle.dumps((samples, classes)))
    workers = [
        subprocess.Popen([sys.executable, '-c', WORKER, str(rank), str(tmp_path)])
        for rank in range(2)
    ]
    assert [worker.wait(timeout=200) for worker in workers] == [0, 0]
    for rank in range(2):
        assert json.loads((tmp_path / f'metrics{rank}.json').read_text()) == expected
    assert [path.name for path in tmp_path.glob('kept*')] == ['kept.bbox.json']
