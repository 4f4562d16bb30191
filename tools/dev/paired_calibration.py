"""Do paired, simultaneous and sequential inference hold what they say? Simulations of known truth.

    python tools/dev/paired_calibration.py [--trials 1000] [--jobs 1] [--json FILE]

Every trial draws the contributions of 100 images to the difference between arm and baseline, for
all arms and seeds, and bootstraps them with multinomial counts that all runs share. A run differs
from another with the same arm by its seed and by its luck with single images. The unit is the
standard deviation between the seeds of one arm; the images add 0.3 to an effect, and its luck with
these images 0.15 to a run, about as in detectors that were fine-tuned from a common start. Runs
with one seed are correlated over the arms. Either all runs vary alike, or those of the baseline
twice as much, or those of one arm.

Coverage is how often a 95 % interval holds the truth; a family is wrong when at least one of its
simultaneous intervals misses, or at least one arm without effect is called better or worse. The
power is that of an effect which the power analysis says is found four times in five. The table of
the documentation is made from the file that --json writes.
"""

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from mmdet_spatialattn.comparison.paired import student_p
from mmdet_spatialattn.comparison.power import Design, detectable, half_width
from mmdet_spatialattn.comparison.sequential import Plan, boundaries, decide
from mmdet_spatialattn.comparison.simultaneous import family_of
from mmdet_spatialattn.comparison.variance import (
    Components,
    Parts,
    UnitComponents,
    added,
    diagonal,
    own_error,
    variance_parts,
)
from mmdet_spatialattn.io import write_json

RESULTS = Path(__file__).with_suffix('.json')
N_IMAGES, N_BOOT, BATCH = 100, 200, 50
IMAGES, LUCK = 0.3, 0.15

SEEDS, ARMS, CORRELATIONS = (2, 3, 5, 10), (2, 6, 16), (0.0, 0.5, 0.95)
VARYING = {
    'equal': 'all runs vary alike',
    'baseline': 'the baseline varies twice as much',
    'one arm': 'one arm varies twice as much',
}


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes:
        seeds: Runs of each arm.
        arms: Compared with the baseline.
        varying: Which runs vary twice as much as the others, a key of ``VARYING``.
        correlation: Between the runs of two arms with the same seed.
    """

    seeds: int
    arms: int
    varying: str
    correlation: float

    @property
    def scale(self) -> np.ndarray:
        """Standard deviation between the seeds of the baseline and of every arm."""
        scale = np.ones(1 + self.arms)
        scale[{'equal': slice(0), 'baseline': 0, 'one arm': -1}[self.varying]] = 2
        return scale

    @property
    def components(self) -> Components:
        """The true variance components of the differences."""
        base, arms = self.scale[0], self.scale[1:]
        together, apart = self.correlation, 1 - self.correlation
        seeds = together * (arms - base) ** 2 + apart * (arms**2 + base**2)
        shared = together * (1 - base) ** 2 + (apart + LUCK**2) * base**2
        between_seeds = UnitComponents(seeds, LUCK**2 * (arms**2 + base**2), shared)
        between_bases = UnitComponents(0.0, 0.0, 0.0)
        return Components(IMAGES**2, IMAGES**2 / 2, N_IMAGES, between_seeds, between_bases)


def draw(rng: np.random.Generator, setting: Setting, n: int) -> np.ndarray:
    """Draw the differences of ``n`` trials without effects, ``(n, M, 1, K, 1 + B)``."""
    scale, shape = setting.scale, (n, 1 + setting.arms, setting.seeds)
    together = rng.normal(size=(n, 1, setting.seeds))
    apart = rng.normal(size=shape)
    runs = np.sqrt(setting.correlation) * together + np.sqrt(1 - setting.correlation) * apart
    runs *= scale[:, None]
    of_arms = rng.standard_normal((n, 1 + setting.arms, 1, N_IMAGES), np.float32)
    luck = rng.standard_normal((*shape, N_IMAGES), np.float32)
    luck *= (LUCK * scale[:, None, None] * N_IMAGES**0.5).astype(np.float32)
    images = luck + of_arms * np.float32(IMAGES * (N_IMAGES / 2) ** 0.5)
    images, runs = images[:, 1:] - images[:, :1], runs[:, 1:] - runs[:, :1]
    weights = rng.multinomial(N_IMAGES, np.full(N_IMAGES, 1 / N_IMAGES), N_BOOT).T
    weights = np.concatenate([np.ones((N_IMAGES, 1)), weights], axis=1) / N_IMAGES
    return (runs[..., None] + images @ weights.astype(np.float32))[:, :, None]


def batches(setting: Setting, n_trials: int) -> Iterator[np.ndarray]:
    """Draw trials, a few at a time."""
    rng = np.random.default_rng(
        [setting.seeds, setting.arms, *setting.varying.encode(), int(100 * setting.correlation)]
    )
    for start in range(0, n_trials, BATCH):
        yield draw(rng, setting, min(BATCH, n_trials - start))


def other_coverages(parts: Parts) -> dict[str, np.ndarray]:
    """Return whether intervals hold 0 with the degrees of freedom that are not used."""
    se, _ = own_error(parts, level=0.95)
    images, seeds, df = diagonal(parts.images), added(parts.seeds), parts.seeds.n - 1
    plain = (images + seeds) ** 2 / (images**2 / parts.images_df + seeds**2 / df)
    return {
        'K - 1': student_p(parts.estimate, se, df) > 0.05,
        'Satterthwaite': student_p(parts.estimate, se, plain) > 0.05,
    }


def calibrate(setting: Setting, n_trials: int) -> dict[str, float]:
    """Return how often the intervals of a fixed number of seeds hold what they say."""
    effect = detectable(setting.components, Design(setting.seeds, setting.arms))
    effects = np.where(np.arange(setting.arms), 0.0, effect)
    found: dict[str, list[np.ndarray]] = {}
    for differences in batches(setting, n_trials):
        parts = variance_parts(differences, N_IMAGES)
        family = family_of(parts, n_arms=setting.arms)
        seen = {
            'pointwise': student_p(family.estimate, family.own_se, family.own_df) > 0.05,
            **other_coverages(parts),
            'false_alarms': (family.adjusted_p() < 0.05).any(axis=-1),
            'power': family.adjusted_p(null=-effects)[:, 0] < 0.05,
            'own_variances': ~family.pooled,
        }
        for name, values in seen.items():
            found.setdefault(name, []).append(values.ravel())
    rates = {name: float(np.concatenate(values).mean()) for name, values in found.items()}
    return {**asdict(setting), **rates, 'effect': effect}


def calibrate_looks(setting: Setting, n_trials: int) -> dict[str, float]:
    """Return how often the looks of a plan are wrong, if no arm is ever stopped."""
    plan = Plan()
    levels = boundaries(setting.arms, plan).levels
    last = Design(plan.looks[-1], setting.arms, level=1 - levels[-1])
    delta = 1.5 * half_width(setting.components, last)
    alarms, equivalent = [], []
    for differences in batches(replace(setting, seeds=plan.looks[-1]), n_trials):
        alarm, within = np.zeros((2, len(differences)), bool)
        for look, level in zip(plan.looks, levels):
            parts = variance_parts(differences[:, :, :, :look], N_IMAGES)
            family = family_of(parts, level=1 - level, n_arms=setting.arms)
            alarm |= (family.adjusted_p() < level).any(axis=-1)
            # The first arm's true effect is delta: the interval must end before it, above -delta.
            first = family.arm(0)
            outside = [first.adjusted_p(null=x)[:, 0] < level for x in (0.0, -2 * delta)]
            between = (-2 * delta < first.estimate[:, 0]) & (first.estimate[:, 0] < 0)
            within |= outside[0] & outside[1] & between
        alarms.append(alarm)
        equivalent.append(within)
    rates = {
        'false_alarms': float(np.concatenate(alarms).mean()),
        'wrongly_equivalent': float(np.concatenate(equivalent).mean()),
    }
    return {**asdict(setting), **rates, 'delta': delta}


def calibrate_stops(setting: Setting, n_trials: int) -> dict[str, float]:
    """Return how a plan ends in which the arms stop; none of them has an effect."""
    plan = Plan(delta=1.5 * half_width(setting.components, Design(12, setting.arms)))
    wrong, runs, states = 0, 0, dict.fromkeys(('equivalent', 'futile', 'open'), 0)
    for differences in batches(replace(setting, seeds=plan.looks[-1]), n_trials):
        for trial in differences:
            decisions = decide(trial, N_IMAGES, plan)
            wrong += any(decision.state in ('better', 'worse') for decision in decisions)
            runs += sum(decision.look for decision in decisions)
            for state in states:
                states[state] += sum(decision.state == state for decision in decisions)
    n_arms = n_trials * setting.arms
    shares = {state: count / n_arms for state, count in states.items()}
    saved = 1 - runs / (n_arms * plan.looks[-1])
    rates = {'false_alarms': wrong / n_trials, 'saved': saved}
    return {**asdict(setting), **rates, **shares, 'delta': plan.delta}


def settings(seeds: tuple[int, ...]) -> list[Setting]:
    return [Setting(*values) for values in product(seeds, ARMS, VARYING, CORRELATIONS)]


def table() -> str:
    """Return the committed results as Markdown."""
    if not RESULTS.exists():
        return 'No run of 1,000 trials each of the present code is recorded yet.'
    data = json.loads(RESULTS.read_text(encoding='utf-8'))
    cells = ' / '.join(f'{correlation:g}' for correlation in CORRELATIONS)
    lines = [
        f'{data["trials"]:,} trials per setting. Coverage of the pointwise 95 % interval, over all',
        'settings, with the degrees of freedom that are used and with two others:',
        '',
        '| seeds | used | K - 1 | Satterthwaite |',
        '|---|---|---|---|',
        *_ranges(data['fixed']),
        '',
        f'Three numbers in a cell: paired correlation {cells}.',
        '',
        '| seeds | arms | variances | pointwise coverage | family-wise false alarms | power |',
        '|---|---|---|---|---|---|',
    ]
    lines += _lines(data['fixed'], ('seeds', 'arms', 'varying'), _FIXED)
    lines += [
        '',
        'Looks at 3, 5, 8 and 12 seeds:',
        '',
        '| arms | variances | family-wise false alarms | wrongly equivalent at delta |',
        '|---|---|---|---|',
    ]
    lines += _lines(data['looks'], ('arms', 'varying'), ('false_alarms', 'wrongly_equivalent'))
    lines += [
        '',
        'The same with arms that stop, none of which has an effect:',
        '',
        '| arms | variances | family-wise false alarms | equivalent | futile | runs saved |',
        '|---|---|---|---|---|---|',
    ]
    columns = ('false_alarms', 'equivalent', 'futile', 'saved')
    return '\n'.join(lines + _lines(data['stops'], ('arms', 'varying'), columns))


_FIXED = ('pointwise', 'false_alarms', 'power')


def _ranges(rows: list[dict]) -> list[str]:
    """Return a line per number of seeds, with the range of the coverage over its settings."""
    lines = []
    for seeds in SEEDS:
        cells = [str(seeds)]
        for name in ('pointwise', 'K - 1', 'Satterthwaite'):
            rates = [row[name] for row in rows if row['seeds'] == seeds]
            cells.append(f'{min(rates):.1%} to {max(rates):.1%}')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines


def _lines(rows: list[dict], keys: tuple[str, ...], columns: tuple[str, ...]) -> list[str]:
    """Return a line per setting, with the paired correlations side by side."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    lines = []
    for group, members in groups.items():
        cells = [' / '.join(f'{row[name]:.1%}' for row in members) for name in columns]
        names = (VARYING.get(value, str(value)) for value in group)
        lines.append('| ' + ' | '.join([*names, *cells]) + ' |')
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--trials', type=int, default=1000)
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--json', metavar='FILE')
    args = parser.parse_args()
    start, results = time.time(), {'trials': args.trials}
    stopped = [Setting(12, 6, 'equal', correlation) for correlation in CORRELATIONS]
    jobs = {
        'fixed': (calibrate, settings(SEEDS)),
        'looks': (calibrate_looks, settings((12,))),
        'stops': (calibrate_stops, stopped),
    }
    with ProcessPoolExecutor(args.jobs) as pool:
        for name, (function, cases) in jobs.items():
            results[name] = []
            for row in pool.map(partial(function, n_trials=args.trials), cases):
                print(name, {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
                results[name].append(row)
            print(f'{time.time() - start:.0f} s', flush=True)
    if args.json:
        write_json(args.json, results)


if __name__ == '__main__':
    main()
