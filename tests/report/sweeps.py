"""A finished sweep on disk: real scenes and statistics, detections made from the ground truth."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.comparison import compare, dose_response
from mmdet_spatialattn.datasets.scenes import write_scenes
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.results import (
    ArmSummary,
    Audit,
    AuditRow,
    Cost,
    Environment,
    PlanSummary,
    Run,
    SweepResult,
)

LEVELS = (0, 2, 4)
SKILLS = {'narrow': 0.0, 'control': 0.02, 'cbam-backbone': 0.5}
"""Which share of the errors an arm avoids."""

ENVIRONMENT = Environment(
    versions={'torch': '2.14.1', 'mmdet': '3.3.0'},
    hardware={'processor': 'test', 'cores': 2, 'memory': 2**34, 'device': 'cpu'},
    commit='abc1234',
)


def detect(annotations: dict[str, Any], skill: float, seed: int) -> list[dict[str, Any]]:
    """Return what a detector might find: the more cover and clutter, the worse, less by skill."""
    rng = np.random.default_rng([seed, round(100 * (1 + skill))])
    level = {image['id']: image['level'] for image in annotations['images']}
    skill += 0.02 * rng.normal()  # the luck of a seed
    detections = []
    for row in annotations['annotations']:
        difficulty = (0.1 + 0.6 * row['cover'] + 0.08 * level[row['image_id']]) * (1 - skill)
        if rng.random() < difficulty:
            continue
        category = row['category_id'] if rng.random() > difficulty / 2 else rng.integers(1, 11)
        for _ in range(1 + (rng.random() < difficulty / 2)):
            box = np.array(row['bbox']) + rng.normal(0, 10 * difficulty, 4)
            score = rng.beta(6 - 4 * difficulty, 2)
            detections.append(_detection(row['image_id'], category, box, score))
    for image in annotations['images']:
        for _ in range(rng.poisson(2 * (1 - skill))):
            box = np.concatenate([rng.uniform(0, image['width'] - 30, 2), rng.uniform(20, 40, 2)])
            detections.append(_detection(image['id'], rng.integers(1, 11), box, rng.beta(2, 4)))
    return detections


def _detection(image_id: int, category_id: int, box: np.ndarray, score: float) -> dict[str, Any]:
    x, y, width, height = box.round(1).tolist()
    return {
        'image_id': image_id,
        'category_id': int(category_id),
        'bbox': [x, y, max(width, 1), max(height, 1)],
        'score': round(float(score), 4),
    }


def write_sweep(
    folder: Path,
    skills: Mapping[str, float] = SKILLS,
    seeds: tuple[int, ...] = (0, 1),
    scenes: int = 100,
    levels: tuple[int, ...] = LEVELS,
    annotations: Optional[dict[str, Any]] = None,
) -> SweepResult:
    """Write a sweep's folder as the collector leaves it; a fifth of the scenes are tested."""
    write_scenes(folder / 'scenes', images=scenes, levels=levels)
    path = folder / 'scenes/annotations/val.json'
    if annotations is not None:
        write_json(path, annotations)
    truth = read_json(path)
    runs = tuple(Run(arm, seed, environment=ENVIRONMENT) for arm in skills for seed in seeds)
    for run in runs:
        detections = detect(truth, skills[run.arm], run.seed)
        write_json(folder / run.detections, detections, indent=None)
    result = _result(folder, runs, tuple(skills), seeds)
    result.to_json(folder / 'verdict.json')
    times = {
        arm: {'latency': 0.02 * (1 + i / 10), 'latency_ratio': 1 + i / 10}
        for i, arm in enumerate(skills)
    }
    write_json(folder / 'cost.json', times)
    return result


def write_mask_sweep(folder: Path) -> SweepResult:
    """Write a small sweep of detectors with masks: an object is found with its ink, or missed."""
    skills = {'narrow': 0.5, 'cbam-backbone': 0.8}
    result = write_sweep(folder, skills, scenes=60, levels=(0, 2))
    truth = load_annotations(folder / 'scenes/annotations/val.json')
    compared: dict[str, Any] = {'bbox': {arm: [] for arm in skills}}
    compared['segm'] = {arm: [] for arm in skills}
    for run in result.runs:
        rng = np.random.default_rng([len(run.arm), run.seed])
        entries = []
        for row in truth.records:
            found = rng.random() < skills[run.arm]
            mask = row['segmentation'] if found else truth.records[0]['segmentation']
            box = row['bbox'] if found else truth.records[0]['bbox']
            detection = _detection(row['image_id'], row['category_id'], np.array(box), rng.random())
            entries.append({**detection, 'segmentation': mask})
        for iou_type, arms in compared.items():
            name = run.detections_of(iou_type)
            write_json(folder / name, entries, indent=None)
            loaded = load_detections(entries, truth, iou_type=iou_type)
            arms[run.arm].append(replace(loaded, source=name, notes=()))
    masks, boxes = (
        compare(truth, compared[iou_type], iou_type=iou_type, n_boot=100, group_by='scene')
        for iou_type in ('segm', 'bbox')
    )
    result = replace(result, comparison=masks, boxes=boxes, dose=None)
    result.to_json(folder / 'verdict.json')
    return result


def _result(
    folder: Path, runs: tuple[Run, ...], arms: tuple[str, ...], seeds: tuple[int, ...]
) -> SweepResult:
    annotation_file = 'scenes/annotations/val.json'
    annotations = replace(load_annotations(folder / annotation_file), source=annotation_file)
    detections: dict[str, list] = {arm: [] for arm in arms}
    for run in runs:
        loaded = load_detections(folder / run.detections, annotations)
        detections[run.arm].append(replace(loaded, source=run.detections))
    options: dict[str, Any] = {'n_boot': 100, 'group_by': 'scene'}
    return SweepResult(
        plan=PlanSummary(
            name='digits',
            baseline=arms[0],
            seeds=seeds,
            arms={arm: ArmSummary(f'configs/{arm}.py', {}, seeds) for arm in arms},
            control='control' if 'control' in arms else None,
            dose='level',
            group_by='scene',
            n_boot=100,
            overrides={'train_cfg.max_epochs': 3},
        ),
        annotations=annotation_file,
        images='scenes/images',
        comparison=compare(annotations, detections, **options),
        dose=dose_response(annotations, detections, **options),
        costs={arm: _cost(i) for i, arm in enumerate(arms)},
        audits={arm: _audit(i) if i else Audit(()) for i, arm in enumerate(arms)},
        differences={arm: _difference(arms[0], arm, i) if i else '' for i, arm in enumerate(arms)},
        runs=runs,
    )


def _cost(number: int) -> Cost:
    cost = Cost(10**6 + 4321 * number, 10**9 + 10**6 * number, 10**7 + number, 0.02, 1.0)
    return cost.without_times('measured times stand in cost.json')


def _audit(number: int) -> Audit:
    row = AuditRow(
        path=f'backbone.layer2.{number}.spatialattn',
        module='CBAM',
        position='after_conv2',
        places=1,
        channels=64,
        map=(20, 20),
        stride=8.0,
        runs=1,
        trains='yes',
        norm='batch',
        factor=0.24,
        change=0.8,
        cost='O(HW)',
        memory=2**21,
    )
    return Audit((row,), (f'arm {number} changes the features when built',), (160, 160))


def _difference(baseline: str, arm: str, number: int) -> str:
    return f'--- {baseline}\n+++ {arm}\n@@ -1 +1 @@\n-a = 0\n+a = {number}\n'
