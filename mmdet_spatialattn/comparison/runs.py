"""The arms of a comparison: checked, and evaluated run by run."""

import os
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Optional, TypeVar

from ..coco import Detections, DetectionSource, load_detections
from ..errors import UserError, did_you_mean
from ..evaluation import EvaluationTask, n_steps
from ..processors import Progress, count_processors, silent
from .effects import Seeds

Arms = Mapping[str, Sequence[DetectionSource]]
"""The runs of each arm, one per training seed."""

T = TypeVar('T')


def check_arms(
    arms: Arms, *, baseline: Optional[str] = None, n_boot: int = 1000, at_least: int = 2
) -> tuple[dict[str, list[DetectionSource]], str]:
    """Return the arms, each with a list of runs, and the name of the baseline.

    Raises:
        UserError: There are too few arms or replicates, an arm has no run or the same run twice,
            or the baseline is unknown.
    """
    if len(arms) < at_least:
        number = {1: 'one arm', 2: 'two arms'}[at_least]
        raise UserError(f'a comparison needs {number} or more, got {", ".join(arms) or "none"}')
    if n_boot < 100:
        raise UserError(f'n_boot is {n_boot}; an interval needs at least 100 replicates')
    checked = {name: _check_runs(name, runs) for name, runs in arms.items()}
    baseline = next(iter(checked)) if baseline is None else baseline
    if baseline not in checked:
        nearest = did_you_mean(baseline, checked)
        raise UserError(f"unknown baseline '{baseline}'{nearest} (arms: {', '.join(arms)})")
    return checked, baseline


def _check_runs(arm: str, runs: Sequence[DetectionSource]) -> list[DetectionSource]:
    """Return the runs of an arm as a list, each with detections of its own."""
    if isinstance(runs, (str, dict, Detections)) or hasattr(runs, '__fspath__'):
        raise UserError(
            f"arm '{arm}' is one source; expected a list with one per run, as [{runs!r:.60}]"
        )
    if not len(runs):
        raise UserError(f"arm '{arm}' has no run; give the detections of at least one")
    if isinstance(runs[0], Mapping):
        raise UserError(
            f"arm '{arm}' is a list of detections; expected a list of runs, each of them such a "
            'list'
        )
    files = [str(source) for source in runs if isinstance(source, (str, os.PathLike))]
    repeated = next((file for file in files if files.count(file) > 1), None)
    if repeated is not None:
        raise UserError(
            f"arm '{arm}' has {repeated} twice; every run needs detections of its own, or the "
            'noise between runs is underestimated'
        )
    return list(runs)


def check_seeds(
    seeds: Optional[Seeds], n_runs: Mapping[str, int], baseline: str
) -> Optional[dict[str, list[tuple[Hashable, Hashable]]]]:
    """Return the base and the seed of every run by arm; ``None`` without seeds.

    Raises:
        UserError: The seeds are not one per run, repeat, or an arm has none of the baseline's.
    """
    if seeds is None:
        return None
    keys: dict[str, list[tuple[Hashable, Hashable]]] = {}
    for arm, n in n_runs.items():
        given = list(seeds.get(arm, ()))
        if len(given) != n or len(set(given)) < n:
            raise UserError(
                f"arm '{arm}' has {n} runs; its seeds must be {n} different ones, got {given}"
            )
        keys[arm] = [seed if isinstance(seed, tuple) else (None, seed) for seed in given]
    for arm in keys:
        if not set(keys[arm]) & set(keys[baseline]):
            raise UserError(
                f"arm '{arm}' has no seed in common with '{baseline}'; runs are compared seed by "
                'seed, so train all arms with the same seeds, or leave the seeds out'
            )
    return keys


def evaluate_arms(
    evaluate: Callable[..., T],
    task: EvaluationTask,
    arms: Mapping[str, Sequence[DetectionSource]],
    *,
    n_boot: int,
    seed: int,
    threads: Optional[int] = None,
    progress: Progress = silent,
) -> dict[str, list[T]]:
    """Load every run of every arm and evaluate it.

    Args:
        evaluate: :func:`~mmdet_spatialattn.evaluation.evaluate_run`, or another function with its
            arguments that takes as many steps.
        task: What all runs share.
        arms: By arm, the detections of its runs.
        n_boot: Number of bootstrap replicates.
        seed: Seed of the bootstrap.
        threads: Number of threads; one per processor by default.
        progress: Wraps the steps.
    """
    n_runs = sum(map(len, arms.values()))
    n = n_runs * (1 + n_steps(n_boot))
    steps = iter(progress(range(n), n))
    results: dict[str, list[T]] = {arm: [] for arm in arms}
    with ThreadPoolExecutor(threads or count_processors()) as pool:
        for arm, runs in arms.items():
            for source in runs:
                detections = load_detections(source, task.annotations, iou_type=task.iou_type)
                next(steps, None)
                result = evaluate(
                    task,
                    detections,
                    n_boot=n_boot,
                    seed=seed,
                    map_fn=pool.map,
                    on_step=lambda: next(steps, None),
                )
                results[arm].append(result)
    next(steps, None)  # lets the progress bar end
    return results


def join_alike(notes: Iterable[str]) -> Iterator[str]:
    """Yield notes on runs; those that differ only by the run and by numbers become one.

    Example:
        >>> list(join_alike(['a.json: 3 images are capped', 'b.json: 4 images are capped']))
        ['a.json: 3 images are capped (1 other run alike)']
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for note in dict.fromkeys(notes):
        groups[re.sub(r'\d+', '', note.rpartition(': ')[2])].append(note)
    for first, *others in groups.values():
        number = len(others)
        yield first + (f' ({number} other run{"s" if number > 1 else ""} alike)' if number else '')


def notes_on_runs(numbers: Mapping[str, int]) -> Iterator[str]:
    """Yield what the numbers of runs mean for the intervals."""
    if set(numbers.values()) == {1}:
        yield (
            'one run per arm: the intervals hold the choice of the images, not the noise of '
            'training; train several seeds'
        )
    elif len(set(numbers.values())) > 1:
        listed = ', '.join(f'{arm} {number}' for arm, number in numbers.items())
        yield (
            f'the arms have different numbers of runs ({listed}): each is averaged over its own '
            'runs; an arm with one run is assumed to vary between seeds as the arm it is compared '
            'with'
        )
