"""Time everything in a sweep but the training: the checks, the comparison, the pages.

    python tools/benchmarks/sweep.py                    10 arms, 3 seeds, 500 images
    python tools/benchmarks/sweep.py --arms 3 --seeds 2 --scenes 1000    as the demo

The detections are synthetic: the objects with random shifts, and false positives up to the cap of
100 detections per image.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from mmdet_spatialattn.datasets.scenes import write_scenes
from mmdet_spatialattn.experiments.collect import collect
from mmdet_spatialattn.experiments.plan import Arm, Plan
from mmdet_spatialattn.experiments.record import write_record
from mmdet_spatialattn.experiments.sweep import check
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.report import write_sweep_markdown, write_sweep_page
from mmdet_spatialattn.results import Run
from mmdet_spatialattn.results.sweep import FINISHED

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/clutter_digits/retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits.py'


def make_detections(truth: dict, run: Run) -> list[dict]:
    """Return synthetic detections, a hundred per image."""
    rng = np.random.default_rng([sum(map(ord, run.arm)), run.seed])
    rows = [(a['image_id'], a['category_id'], a['bbox'], 1.0) for a in truth['annotations']]
    n_objects = np.bincount([image for image, *_ in rows])
    for image in truth['images']:
        for _ in range(100 - n_objects[image['id']]):
            box = [*rng.uniform(0, 120, 2), 30.0, 30.0]
            rows.append((image['id'], int(rng.integers(1, 11)), box, 0.5))
    boxes = np.array([box for _, _, box, _ in rows]) + rng.normal(0, 3, (len(rows), 4))
    boxes[:, 2:] = boxes[:, 2:].clip(1)
    return [
        {'image_id': image, 'category_id': category, 'bbox': box, 'score': score * rng.random()}
        for (image, category, _, score), box in zip(rows, boxes.tolist())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--arms', type=int, default=10)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--scenes', type=int, default=500, help='a fifth of them, at five levels')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenes(folder / 'scenes', images=args.scenes)
        truth = read_json(folder / 'scenes/annotations/val.json')
        plan = Plan(
            'benchmark',
            tuple(Arm(f'arm-{i}', CONFIG) for i in range(args.arms)),
            baseline='arm-0',
            seeds=tuple(range(args.seeds)),
            dose='level',
            group_by='scene',
            overrides={'data_root': str(folder / 'scenes')},
        )
        runs = folder / 'runs'
        for run in plan.runs:
            write_json(runs / run.detections, make_detections(truth, run))
            write_record(run, runs, FINISHED)
        write_json(runs / 'sweep.json', {'plan': plan.name})
        moments = [time.perf_counter()]
        sweep = check(plan, runs)
        moments.append(time.perf_counter())
        result = collect(plan, runs, configs=sweep.configs, test_set=sweep.test_set)
        moments.append(time.perf_counter())
        write_sweep_page(result, runs)
        write_sweep_markdown(result, runs)
        moments.append(time.perf_counter())
        steps = dict(zip(('check', 'collect', 'pages'), np.diff(moments).tolist()))
        size = (runs / 'report.html').stat().st_size
        print(f'{args.arms} arms x {args.seeds} seeds, {len(truth["images"])} images')
        print(', '.join(f'{step} {seconds:.1f} s' for step, seconds in steps.items()))
        print(f'together {sum(steps.values()):.1f} s; report.html {size / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
