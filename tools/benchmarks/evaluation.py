"""Time a whole verdict on detections of the size of COCO val2017, against pycocotools.

    python tools/benchmarks/evaluation.py [--scale 1] [--json FILE]

The verdict is the work of `spatialattn compare`: load two arms with one run each, match, evaluate
three strata and overall with 1,000 paired replicates. The peer is pycocotools, which evaluates the
same two files once, loading included. The two take turns, each in a process of its own, which
gives its peak memory. Compare the ratios, because wall time depends on the load of the machine.
The first verdict compiles and does not count. --growth also times a verdict with twice the images.
--engines times the matching backends instead: one file, without loading, in processor seconds.
"""

import argparse
import contextlib
import io
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mmdet_spatialattn.io import write_json

WIDTH, HEIGHT = 640, 480


def synthetic(
    n_images: int = 5000,
    n_classes: int = 80,
    n_objects: int = 36_928,
    n_detections: int = 500_000,
    n_models: int = 1,
    seed: int = 0,
) -> tuple[dict, list[list[dict]]]:
    """Return annotations, and the detections of detectors that are equally good.

    Every image has at least one object, some images have very many; the frequencies of the classes
    differ; one object in a hundred is a crowd region. A detector finds nine objects in ten, half of
    them twice. Its boxes are less accurate where its scores are lower, the class of one detection
    in ten is wrong, and there are false detections with low scores.
    """
    rng = np.random.default_rng(seed)
    popularity = rng.gamma(0.8, 1, n_images) + 0.02
    extra = rng.choice(n_images, n_objects - n_images, p=popularity / popularity.sum())
    image = np.sort(np.concatenate([np.arange(n_images), extra]))
    frequency = np.arange(1, n_classes + 1) ** -0.7
    frequency /= frequency.sum()
    category = rng.choice(n_classes, n_objects, p=frequency)
    size = np.exp(rng.normal(4, 1, n_objects))[:, None].clip(6, 450)
    size = size * np.exp(rng.normal(0, 0.4, n_objects)[:, None] * [1, -1])
    size = size.clip(4, [0.9 * WIDTH, 0.9 * HEIGHT])
    boxes = np.concatenate([rng.random((n_objects, 2)) * ([WIDTH, HEIGHT] - size), size], 1)
    crowd = (rng.random(n_objects) < 0.01).astype(int)
    annotations = {
        'images': [{'id': i + 1, 'width': WIDTH, 'height': HEIGHT} for i in range(n_images)],
        'categories': [{'id': k + 1, 'name': f'class {k + 1}'} for k in range(n_classes)],
        'annotations': [
            {
                'id': n + 1,
                'image_id': i + 1,
                'category_id': k + 1,
                'bbox': box,
                'area': 0.6 * box[2] * box[3],
                'iscrowd': c,
            }
            for n, (i, k, box, c) in enumerate(
                zip(image.tolist(), category.tolist(), boxes.round(2).tolist(), crowd.tolist())
            )
        ],
    }
    detectors = [
        _detect(
            np.random.default_rng([seed, model]), image, category, boxes, frequency, n_detections
        )
        for model in range(n_models)
    ]
    return annotations, detectors


def _detect(
    rng: np.random.Generator,
    image: np.ndarray,
    category: np.ndarray,
    boxes: np.ndarray,
    frequency: np.ndarray,
    n_detections: int,
) -> list[dict]:
    detected = np.flatnonzero(rng.random(len(boxes)) < 0.9)
    detected = np.concatenate([detected, detected[rng.random(len(detected)) < 0.5]])
    n_near = len(detected)
    noise = np.exp(rng.normal(-2.6, 0.8, n_near))[:, None]
    near = boxes[detected]
    near[:, :2] += near[:, 2:] * rng.normal(0, 1, (n_near, 2)) * noise
    near[:, 2:] *= np.exp(rng.normal(0, 1, (n_near, 2)) * noise)
    logits = rng.normal(1, 1.3, n_near) - 3 * noise[:, 0]
    confused = rng.random(n_near) < 0.1
    guesses = np.where(confused, rng.integers(0, len(frequency), n_near), category[detected])
    n = n_detections - n_near
    stray = np.concatenate([rng.random((n, 2)) * 400, np.exp(rng.normal(4, 0.8, (n, 2)))], 1)
    images = np.concatenate([image[detected], rng.integers(0, image.max() + 1, n)])
    classes = np.concatenate([guesses, rng.choice(len(frequency), n, p=frequency)])
    scores = 1 / (1 + np.exp(-np.concatenate([logits, rng.normal(-2.5, 1.2, n)])))
    order = np.argsort(images, kind='stable')
    rows = (images + 1, classes + 1, np.concatenate([near, stray]).round(2), scores.round(5))
    return [
        {'image_id': i, 'category_id': k, 'bbox': box, 'score': score}
        for i, k, box, score in zip(*(row[order].tolist() for row in rows))
    ]


def verdict(truth: str, *files: str) -> None:
    """Do the work of ``spatialattn compare``."""
    from mmdet_spatialattn.comparison import compare

    compare(truth, {name: [file] for name, file in zip(('baseline', 'arm'), files)})


def peer(truth: str, *files: str) -> None:
    """Evaluate every file with pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        annotations = COCO(truth)
        for file in files:
            evaluator = COCOeval(annotations, annotations.loadRes(file), 'bbox')
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()


def ours(truth: str, file: str) -> tuple[float, float, list[float]]:
    """Return the seconds to score and to return the matches, and the twelve statistics."""
    from mmdet_spatialattn.clutter.scopes import all_scopes, members
    from mmdet_spatialattn.coco import load_annotations, load_detections
    from mmdet_spatialattn.evaluation import match
    from mmdet_spatialattn.evaluation.metrics import coco_statistics, count_objects

    annotations = load_annotations(truth)
    detections = load_detections(file, annotations)
    for _ in range(2):  # the first round compiles
        start = time.process_time()
        inside = members(all_scopes(0), annotations.area, annotations.category)
        inside &= ~annotations.iscrowd
        countable = members(all_scopes(0), detections.area, detections.category)
        matches = match(annotations, detections, inside, countable)
        n_objects = count_objects(annotations.category, inside, len(annotations.category_ids))
        numbers = list(coco_statistics(matches, n_objects).values())
        seconds = time.process_time() - start
    return seconds, 0.0, numbers


def hotcoco(truth: str, file: str) -> tuple[float, float, list[float]]:
    from hotcoco import COCO, COCOeval

    annotations = COCO(truth)
    evaluator = COCOeval(annotations, annotations.load_res(file), 'bbox')
    start = time.process_time()
    evaluator.evaluate()
    evaluator.accumulate()
    scored = time.process_time()
    evaluator.summarize()
    numbers, handed = list(evaluator.stats), time.process_time()
    _ = evaluator.eval_imgs
    return scored - start, time.process_time() - handed, numbers


def faster_coco_eval(truth: str, file: str) -> tuple[float, float, list[float]]:
    from faster_coco_eval import COCO, COCOeval_faster

    annotations = COCO(truth)
    evaluator = COCOeval_faster(annotations, annotations.loadRes(file), 'bbox')
    start = time.process_time()
    evaluator.evaluate()
    evaluator.accumulate()
    scored = time.process_time()
    evaluator.summarize()
    return scored - start, math.nan, list(evaluator.stats)  # it does not return its matches


def engines() -> None:
    """Print the time of each matching backend for one file."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ('truth.json', 'detections.json')]
        annotations, (detections,) = synthetic()
        for file, data in zip(files, (annotations, detections)):
            Path(file).write_text(json.dumps(data))
        del annotations, detections, data
        results = {}
        for engine in (ours, hotcoco, faster_coco_eval):
            with contextlib.redirect_stdout(io.StringIO()):
                results[engine.__name__] = engine(*files)
    for name, (score, matches, numbers) in results.items():
        equal = numbers == results['ours'][2]
        print(
            f'{name:<18} {score:6.2f} s, matches {matches:6.2f} s, twelve statistics equal: {equal}'
        )


def measure(work: str, *arguments: str) -> dict[str, float]:
    """Run ``verdict`` or ``peer`` in a new process; returns seconds and peak memory in GB."""
    command = [sys.executable, __file__, '--work', work, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scale', type=float, default=1, help='factor on the number of images (1)')
    parser.add_argument('--growth', action='store_true', help='also with twice the images')
    parser.add_argument('--repeats', type=int, default=1, help='rounds of the two in turn (1)')
    parser.add_argument('--engines', action='store_true', help='time the matching backends instead')
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--work', nargs='+', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        start, work = time.perf_counter(), {'verdict': verdict, 'peer': peer}[args.work[0]]
        work(*args.work[1:])
        usage = resource.getrusage(resource.RUSAGE_SELF)
        wall, memory = time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e9
        row = {'wall': wall, 'cpu': usage.ru_utime + usage.ru_stime, 'memory': memory}
        print(json.dumps(row))
        return
    if args.engines:
        return engines()

    rows: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, scale in (('', args.scale), (' x 2', 2 * args.scale))[: 1 + args.growth]:
            n = round(5000 * scale)
            annotations, detectors = synthetic(n, 80, round(7.3856 * n), 100 * n, n_models=2)
            files = [str(Path(folder) / f'{part}.json') for part in ('truth', 'baseline', 'arm')]
            for file, data in zip(files, (annotations, *detectors)):
                Path(file).write_text(json.dumps(data))
            del annotations, detectors, data
            measure('verdict', *files)
            for _ in range(args.repeats):
                for work in ('verdict', *(['peer'] if not name else [])):
                    rows.setdefault(work + name, []).append(measure(''.join(work), *files))
    result = {
        work: {key: statistics.median(row[key] for row in rounds) for key in rounds[0]}
        for work, rounds in rows.items()
    }
    for work, row in result.items():
        print(
            f'{work:<12} {row["wall"]:7.1f} s  {row["cpu"]:7.1f} s of processor  '
            f'{row["memory"]:5.2f} GB'
        )
    ratios = {key: result['verdict'][key] / result['peer'][key] for key in ('wall', 'cpu')}
    print(f'ratio        {ratios["wall"]:7.2f}    {ratios["cpu"]:7.2f}')
    if args.growth:
        growth = result['verdict x 2']['cpu'] / result['verdict']['cpu']
        print(f'twice the images take {growth:.2f} times the processor')
    if args.json:
        write_json(args.json, {'images': round(5000 * args.scale), 'rows': result, 'ratio': ratios})


if __name__ == '__main__':
    main()
