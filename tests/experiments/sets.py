"""A small sweep without training: scenes, a plan, and runs that look finished."""

from pathlib import Path
from typing import Optional

import numpy as np

from mmdet_spatialattn.coco import load_annotations
from mmdet_spatialattn.datasets.scenes import write_scenes
from mmdet_spatialattn.experiments.collect import collect
from mmdet_spatialattn.experiments.config import arm_config, coco_files
from mmdet_spatialattn.experiments.plan import Arm, Plan
from mmdet_spatialattn.experiments.record import write_record
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.results import SweepResult
from mmdet_spatialattn.results.sweep import FINISHED

CONFIGS = Path(__file__).parents[2] / 'configs/clutter_digits'
BASELINE = CONFIGS / 'retinanet_r18-narrow_fpn_4e_clutter-digits.py'
CBAM = CONFIGS / 'retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits.py'


def small_scenes(folder: Path) -> Path:
    """Write 12 scenes to test on, and 48 to train on, at two levels."""
    write_scenes(folder, images=60, levels=(0, 2), size=96)
    return folder


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
