"""A small sweep without training: scenes, a plan, and runs that look finished."""

from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

import cv2
import numpy as np
import torch

from mmdet_spatialattn.coco import load_annotations
from mmdet_spatialattn.datasets.scenes import write_scenes
from mmdet_spatialattn.experiments.checks import build_checked_model
from mmdet_spatialattn.experiments.collect import collect
from mmdet_spatialattn.experiments.config import arm_config, coco_files, read_config
from mmdet_spatialattn.experiments.plan import Arm, Plan
from mmdet_spatialattn.experiments.pretrained import without_pretrained
from mmdet_spatialattn.experiments.record import write_record
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.results import SweepResult
from mmdet_spatialattn.results.sweep import FINISHED

CONFIGS = Path(__file__).parents[2] / 'configs/clutter_digits'
BASELINE = CONFIGS / 'retinanet_r18-narrow_fpn_4e_clutter-digits.py'
CBAM = CONFIGS / 'retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits.py'
MASKS = CONFIGS / 'mask-rcnn_r18-narrow_fpn_8e_clutter-digits.py'


def small_scenes(folder: Path) -> Path:
    """Write 12 scenes to test on, and 48 to train on, at two levels."""
    write_scenes(folder, images=60, levels=(0, 2), size=96)
    return folder


def small_cells(folder: Path, images: int = 20) -> Path:
    """Write a COCO file with two classes and four boxes per image, half of them crowded."""
    rng, entries, annotations = np.random.default_rng(0), [], []
    boxes = [5, 5, 30, 30], [12, 12, 30, 30], [60, 5, 20, 20], [60, 60, 20, 20]
    for i in range(images):
        cv2.imwrite(str(folder / f'{i}.png'), rng.integers(0, 255, (96, 96, 3), np.uint8))
        entries.append({'id': i, 'file_name': f'{i}.png', 'width': 96, 'height': 96})
        for j, box in enumerate(boxes):
            annotations.append(
                {
                    'id': 4 * i + j + 1,
                    'image_id': i,
                    'category_id': 1 + j % 2,
                    'bbox': box,
                    'area': box[2] * box[3],
                    'iscrowd': 0,
                }
            )
    categories = [{'id': 1, 'name': 'red'}, {'id': 2, 'name': 'white'}]
    content = {'images': entries, 'annotations': annotations, 'categories': categories}
    write_json(folder / 'cells.json', content)
    return folder / 'cells.json'


def save_weights(config: Union[str, Path], classes: Sequence[str], path: Path) -> None:
    """Save random weights of a detector for these classes, as MMEngine saves them."""
    detector = read_config(config)
    detector.model = without_pretrained(detector.model)
    detector.model.bbox_head.num_classes = len(classes)
    model = build_checked_model(detector)
    meta = {'dataset_meta': {'classes': tuple(classes)}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, path)


def small_plan(scenes: Path, **changes) -> Plan:
    """Return a plan of two arms and two seeds on such scenes."""
    settings = dict(
        name='small',
        arms=(Arm('plain', BASELINE), Arm('cbam', CBAM)),
        baseline='plain',
        seeds=(0, 1),
        dose='level',
        group_by='scene',
        n_boot=100,
        overrides={'data_root': str(scenes)},
    )
    return Plan(**{**settings, **changes})


def configs_of(plan: Plan) -> dict:
    """Return the config of every arm."""
    return {arm.name: arm_config(plan, arm) for arm in plan.arms}


def collect_runs(plan: Plan, folder: Path, configs: Optional[dict] = None) -> SweepResult:
    """Collect the runs of a plan, tested as the configs say."""
    configs = configs_of(plan) if configs is None else configs
    test_set = load_annotations(coco_files(configs[plan.baseline].test_dataloader).annotations)
    return collect(plan, folder, configs=configs, test_set=test_set)


def finish(plan: Plan, folder: Path, scenes: Path, noise: dict[str, float]) -> None:
    """Leave what finished runs leave: the truth, moved by ``noise`` pixels, by arm."""
    val = read_json(scenes / 'annotations/val.json')
    for run in plan.runs:
        if run.arm not in noise:
            continue
        rng = np.random.default_rng([len(run.arm), run.seed])
        detections = [
            {
                'image_id': annotation['image_id'],
                'category_id': annotation['category_id'],
                'bbox': (annotation['bbox'] + rng.normal(0, noise[run.arm], 4)).tolist(),
                'score': float(rng.random()),
            }
            for annotation in val['annotations']
        ]
        write_json(folder / run.detections, detections)
        write_record(run, folder, FINISHED)
