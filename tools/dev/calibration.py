"""Do the intervals hold what they say? Simulated comparisons whose truth is known.

    python tools/dev/calibration.py [--trials 1000] [--jobs 2] [--json tools/dev/calibration.json]

Every trial draws a test set of its own and the runs of three arms, with seeds of their own, two of
them with the same truth, and calls `compare` on them. Scenes hold squares that crowd together;
whether and how well an object is found depends on how much the others cover it, on how hard it is
for every detector, on the luck of the run with just this object, and on the seed of the run. The
truth is the same metric on a test set as large as can be, averaged over many seeds.

*Coverage* is how often the 95 % interval holds the truth, where the arms differ; *A/A* how often
two arms with the same truth are called different at the 5 % level. 200 replicates do: an interval
takes its standard error from them and nothing else, and they tell it to 5 %. The table of the
documentation is made from the file that --json writes.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from mmdet_spatialattn.clutter import object_values
from mmdet_spatialattn.coco import Annotations, Detections
from mmdet_spatialattn.comparison import compare
from mmdet_spatialattn.evaluation import evaluate
from mmdet_spatialattn.io import write_json
from mmdet_spatialattn.results import Estimate

RESULTS = Path(__file__).with_suffix('.json')
SIDE, N_CLASSES, N_BOOT = 320, 2, 200


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes:
        images: Of a test set.
        runs: Of each arm.
        seeds: Standard deviation of the quality between seeds, on the scale of ``better``.
        better: By how much the second arm finds objects more often (in logits); half of it more in
            clutter.
    """

    images: int
    runs: int
    seeds: float
    better: float


@dataclass(frozen=True)
class Scene:
    annotations: Annotations
    cover: np.ndarray
    hardness: np.ndarray


def draw_scene(rng: np.random.Generator, n_images: int) -> Scene:
    """Draw a test set: images with 1 to 10 squares, half of them near another one."""
    n = rng.integers(1, 11, n_images)
    image = np.repeat(np.arange(n_images), n).astype(np.int32)
    side = np.exp(rng.normal(3.5, 0.5, len(image)))[:, None].clip(12, 120)
    centre = rng.uniform(60, SIDE - 60, (len(image), 2))
    near = (np.diff(image, prepend=-1) == 0) & (rng.random(len(image)) < 0.5)
    for i in np.flatnonzero(near):
        centre[i] = centre[i - 1] + rng.normal(0, 0.5, 2) * side[i - 1]
    boxes = np.concatenate([centre - side / 2, side, side], axis=1)
    annotations = Annotations(
        source='simulated',
        image_ids=list(range(n_images)),
        file_names=[''] * n_images,
        image_sizes=np.full((n_images, 2), float(SIDE)),
        category_ids=list(range(N_CLASSES)),
        category_names=list(map(str, range(N_CLASSES))),
        ids=np.arange(1, len(image) + 1),
        image=image,
        category=rng.integers(0, N_CLASSES, len(image)).astype(np.int32),
        boxes=boxes,
        area=side[:, 0] ** 2,
        iscrowd=np.zeros(len(image), bool),
        ignore=np.zeros(len(image), bool),
        records=[{}] * len(image),
    )
    return Scene(annotations, object_values(annotations, 'cover'), rng.normal(0, 1, len(image)))


def draw_run(rng: np.random.Generator, scene: Scene, setting: Setting, better: float) -> Detections:
    """Draw the detections of one run."""
    of, n = scene.annotations, len(scene.annotations)
    quality = better * (1 + 0.5 * (scene.cover > 0.3)) + rng.normal(0, setting.seeds)
    sure = 1 + quality - 1.5 * scene.cover - scene.hardness + rng.normal(0, 0.8, n)
    found = np.flatnonzero(sure + rng.logistic(0, 1, n) > 0)
    noise = 0.12 * np.exp(-0.3 * sure[found, None] + rng.normal(0, 0.4, (len(found), 1)))
    boxes = of.boxes[found].copy()
    boxes[:, :2] += boxes[:, 2:] * noise * rng.normal(0, 1, (len(found), 2))
    boxes[:, 2:] *= np.exp(noise * rng.normal(0, 1, (len(found), 2)))
    confused = rng.random(len(found)) < 0.05
    category = np.where(confused, 1 - of.category[found], of.category[found])
    strays = rng.poisson(3, len(of.image_ids))
    image = np.repeat(np.arange(len(strays)), strays)
    side = np.exp(rng.normal(3.5, 0.5, (len(image), 1))) * [1, 1]
    stray = np.concatenate([rng.uniform(0, SIDE - 40, (len(image), 2)), side], axis=1)
    boxes = np.concatenate([boxes, stray])
    scores = np.concatenate([sure[found], rng.normal(-1.2 - 0.3 * quality.mean(), 1.2, len(image))])
    return Detections(
        source='simulated',
        image=np.concatenate([of.image[found], image]).astype(np.int32),
        category=np.concatenate([category, rng.integers(0, N_CLASSES, len(image))]).astype(
            np.int32
        ),
        boxes=boxes,
        scores=scores,
        area=boxes[:, 2] * boxes[:, 3],
    )


Row = tuple[float, float, float, float]
"""Estimate, both ends of the interval, and p."""


def trial(setting: Setting, seed: int) -> dict[str, dict[str, Row]]:
    """Return what is found of the better arm, and of the one that equals the baseline."""
    rng = np.random.default_rng([7, seed])
    scene = draw_scene(rng, setting.images)
    arms = {
        name: [draw_run(rng, scene, setting, better) for _ in range(setting.runs)]
        for name, better in (('baseline', 0.0), ('same', 0.0), ('better', setting.better))
    }
    result = compare(scene.annotations, arms, n_boot=N_BOOT, seed=seed, threads=1)
    rows: dict[str, dict[str, Row]] = {}
    for arm in ('same', 'better'):
        estimates = {
            'effect': result.effect(arm),
            'effect in clutter': result.effect(arm, 'crowded'),
            'clutter gain': result.gain(arm),
        }
        rows[arm] = {
            name: (estimate.estimate, estimate.low, estimate.high, estimate.p)
            for name, estimate in estimates.items()
            if isinstance(estimate, Estimate)
        }
    return rows


def truth_of_run(setting: Setting, better: float, seed: int) -> list[float]:
    """Return AP overall, in clutter, and the difference of the strata, of one seed."""
    rng = np.random.default_rng([11, seed])
    scene = draw_scene(rng, 4000)
    result = evaluate(scene.annotations, draw_run(rng, scene, setting, better))
    crowded, clean = (result.metrics[name]['AP'] for name in ('crowded', 'clean'))
    return [result.overall['AP'], crowded, crowded - clean]


@cache
def truth(setting: Setting, n_seeds: int, run) -> dict[str, float]:
    """Return the true effects: scenes are the same for both arms, so their noise cancels."""
    means = [
        np.mean(list(run(partial(truth_of_run, setting, better), range(n_seeds))), axis=0)
        for better in (0.0, setting.better)
    ]
    effects = (means[1] - means[0]).tolist()
    return dict(zip(('effect', 'effect in clutter', 'clutter gain'), effects))


SETTINGS = {
    '1 run, 100 images': Setting(images=100, runs=1, seeds=0.0, better=0.3),
    '1 run, 300 images': Setting(images=300, runs=1, seeds=0.0, better=0.3),
    '3 runs, 100 images': Setting(images=100, runs=3, seeds=0.15, better=0.3),
}
"""With one run no noise of seeds is simulated: the intervals do not claim to hold it."""


def calibrate(
    setting: Setting, expected: dict[str, float], n_trials: int, run
) -> dict[str, dict[str, float]]:
    """Return coverage and rate of false alarms of each kind of estimate."""
    trials = list(run(partial(trial, setting), range(n_trials)))
    table = {}
    for name, value in expected.items():
        rows, same = (
            np.array([found[arm][name] for found in trials if name in found[arm]])
            for arm in ('better', 'same')
        )
        table[name] = {
            'trials': len(rows),
            'truth': value,
            'mean_estimate': rows[:, 0].mean(),
            'coverage': ((rows[:, 1] <= value) & (value <= rows[:, 2])).mean(),
            'below': (value < rows[:, 1]).mean(),
            'above': (value > rows[:, 2]).mean(),
            'power': (rows[:, 3] < 0.05).mean(),
            'half_width': (rows[:, 2] - rows[:, 1]).mean() / 2,
            'false_alarms': (same[:, 3] < 0.05).mean(),
            'false_alarm_trials': len(same),
        }
    return {name: {k: float(v) for k, v in row.items()} for name, row in table.items()}


def table() -> str:
    """Return the committed results as Markdown."""
    if not RESULTS.exists():
        return 'No run of 1,000 trials each of the present code is recorded yet.'
    data = json.loads(RESULTS.read_text(encoding='utf-8'))
    lines = [
        '| setting | estimate | coverage of the 95 % interval | A/A called different | trials |',
        '|---|---|---|---|---|',
    ]
    for setting, rows in data['settings'].items():
        for name, row in rows.items():
            lines.append(
                f'| {setting} | {name} | {row["coverage"]:.1%} | {row["false_alarms"]:.1%} '
                f'| {row["trials"]:.0f} |'
            )
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--trials', type=int, default=1000)
    parser.add_argument('--truth-seeds', type=int, default=40, help='runs that make up the truth')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--only', choices=SETTINGS, help='one setting')
    parser.add_argument('--json', metavar='FILE')
    args = parser.parse_args()
    results = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        run = partial(pool.map, chunksize=5)
        for name, setting in SETTINGS.items():
            if args.only in (None, name):
                # Neither the number of images nor that of runs changes the truth.
                expected = truth(replace(setting, images=0, runs=0), args.truth_seeds, run)
                results[name] = calibrate(setting, expected, args.trials, run)
                for estimate, row in results[name].items():
                    print(f'{name}, {estimate}:', {k: round(v, 4) for k, v in row.items()})
                if args.json:
                    how = {'truth_seeds': args.truth_seeds, 'n_boot': N_BOOT}
                    write_json(args.json, {**how, 'settings': results})


if __name__ == '__main__':
    main()
