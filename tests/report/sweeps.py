"""A finished sweep on disk: real scenes and statistics, detections made from the ground truth."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mmdet_spatialattn.comparison import compare, dose_response
from mmdet_spatialattn.datasets.scenes import write_scenes
from mmdet_spatialattn.io import read_json, write_json

LEVELS = (0, 2, 4)
SKILLS = {'narrow': 0.0, 'control': 0.02, 'cbam-backbone': 0.5}
"""Which share of the errors an arm avoids."""


def detect(annotations: dict[str, Any], skill: float, seed: int) -> list[dict[str, Any]]:
    """Return what a detector might find: the more cover and clutter, the worse, less by skill."""
    rng = np.random.default_rng([seed, round(100 * (1 + skill))])
    level = {image['id']: image['level'] for image in annotations['images']}
    skill += 0.02 * rng.normal()  # the luck of a seed
    found = []
    for one in annotations['annotations']:
        difficulty = (0.1 + 0.6 * one['cover'] + 0.08 * level[one['image_id']]) * (1 - skill)
        if rng.random() < difficulty:
            continue
        kind = one['category_id'] if rng.random() > difficulty / 2 else rng.integers(1, 11)
        for _ in range(1 + (rng.random() < difficulty / 2)):
            box = np.array(one['bbox']) + rng.normal(0, 10 * difficulty, 4)
            found.append(_detection(one['image_id'], kind, box, rng.beta(6 - 4 * difficulty, 2)))
    for image in annotations['images']:
        for _ in range(rng.poisson(2 * (1 - skill))):
            box = np.concatenate([rng.uniform(0, image['width'] - 30, 2), rng.uniform(20, 40, 2)])
            found.append(_detection(image['id'], rng.integers(1, 11), box, rng.beta(2, 4)))
    return found


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
) -> Path:
    """Write a sweep's folder as the collector leaves it; a fifth of the scenes are tested."""
    write_scenes(folder / 'scenes', images=scenes, levels=levels)
    path = folder / 'scenes' / 'annotations' / 'val.json'
    if annotations is not None:
        write_json(path, annotations)
    truth = read_json(path)
    runs: dict[str, list[str]] = {}
    for arm, skill in skills.items():
        for seed in seeds:
            source = f'{arm}/seed_{seed}/detections.bbox.json'
            write_json(folder / source, detect(truth, skill, seed), indent=None)
            runs.setdefault(arm, []).append(source)
    arms = {arm: [str(folder / source) for source in sources] for arm, sources in runs.items()}
    comparison = compare(path, arms, n_boot=100, group_by='scene').to_json()
    dose = dose_response(path, arms, n_boot=100, group_by='scene').to_json()
    for found in (comparison, dose):
        for arm, sources in runs.items():
            for run, source in zip(found['arms'][arm]['runs'], sources):
                run['source'] = source
    write_json(folder / 'verdict.json', _verdict(comparison, dose, runs, seeds))
    write_json(
        folder / 'cost.json',
        {
            arm: {'latency': 0.02 * (1 + i / 10), 'latency_ratio': 1 + i / 10}
            for i, arm in enumerate(skills)
        },
    )
    return folder


def edit(folder: Path, **changes: Any) -> None:
    """Replace keys of the verdict."""
    path = folder / 'verdict.json'
    path.write_text(json.dumps({**read_json(path), **changes}), encoding='utf-8')


def _verdict(
    comparison: dict[str, Any],
    dose: dict[str, Any],
    runs: dict[str, list[str]],
    seeds: tuple[int, ...],
) -> dict[str, Any]:
    baseline = next(iter(runs))
    return {
        'format': 'mmdet_spatialattn verdict',
        'version': 1,
        'plan': {
            'name': 'digits',
            'baseline': baseline,
            'control': 'control' if 'control' in runs else None,
            'seeds': list(seeds),
            'strata': 'cover:0.1,0.3',
            'dose': 'level',
            'group_by': 'scene',
            'n_boot': 100,
            'overrides': {'train_cfg.max_epochs': 3},
            'arms': {
                arm: {'config': f'configs/{arm}.py', 'overrides': {}, 'seeds': list(seeds)}
                for arm in runs
            },
        },
        'data': {'annotations': 'scenes/annotations/val.json', 'images': 'scenes/images'},
        'comparison': comparison,
        'dose': dose,
        'costs': {
            arm: {'parameters': 10**6 + 4321 * i, 'flops': 10**9 + 10**6 * i, 'memory': 10**7 + i}
            for i, arm in enumerate(runs)
        },
        'audits': {
            arm: '' if arm == baseline else f'place  channels\nlayer2.{i}  64'
            for i, arm in enumerate(runs)
        },
        'differences': {
            arm: ''
            if arm == baseline
            else f'--- {baseline}\n+++ {arm}\n@@ -1 +1 @@\n-a = 0\n+a = {i}\n'
            for i, arm in enumerate(runs)
        },
        'failed': [],
        'environments': [
            {
                'versions': {'torch': '2.14.1', 'mmdet': '3.3.0'},
                'hardware': {'processor': 'test', 'cores': 2, 'memory': 2**34, 'device': 'cpu'},
                'commit': 'abc1234',
                'runs': [f'{arm}/seed_{k}' for arm in runs for k in seeds],
            }
        ],
    }
