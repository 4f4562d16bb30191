"""A small sweep without training: scenes, a plan, and runs that look finished."""

from pathlib import Path

import numpy as np

from mmdet_spatialattn.datasets.scenes import write_scenes
from mmdet_spatialattn.experiments.launch import detections_of, mark_finished, run_config
from mmdet_spatialattn.experiments.plan import Arm, Plan, Run
from mmdet_spatialattn.io import read_json, write_json

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


def configs_of(plan: Plan, folder: Path) -> dict:
    """Return the config of every arm."""
    return {
        arm.name: run_config(Run(arm, 0), folder / arm.name, plan.overrides) for arm in plan.arms
    }


def finish(plan: Plan, folder: Path, scenes: Path, noise: dict[str, float]) -> None:
    """Leave what finished runs leave: the truth, moved by ``noise`` pixels, by arm."""
    val = read_json(scenes / 'annotations/val.json')
    for run in plan.runs:
        if run.arm.name not in noise:
            continue
        rng = np.random.default_rng([len(run.arm.name), run.seed])
        found = [
            {
                'image_id': annotation['image_id'],
                'category_id': annotation['category_id'],
                'bbox': (annotation['bbox'] + rng.normal(0, noise[run.arm.name], 4)).tolist(),
                'score': float(rng.random()),
            }
            for annotation in val['annotations']
        ]
        write_json(detections_of(run, folder), found)
        mark_finished(run, folder / run.name)
