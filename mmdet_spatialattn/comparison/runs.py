"""The arms of a comparison: checked, and evaluated run by run."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Optional, TypeVar

from ..coco import Detections, DetectionSource, load_detections
from ..errors import UserError, did_you_mean
from ..evaluation import EvaluationTask, n_steps
from ..processors import Progress, count_processors

Arms = Mapping[str, Sequence[DetectionSource]]
"""The runs of each arm, one per training seed."""

T = TypeVar('T')


def check_arms(
    arms: Arms, baseline: Optional[str] = None, n_boot: int = 1000, at_least: int = 2
) -> tuple[dict[str, list[DetectionSource]], str]:
    """Return the arms, each with a list of runs, and the name of the baseline.

    Raises:
        UserError: There are too few arms or replicates, an arm has no run or the same twice, the
            baseline is none of them.
    """
    if len(arms) < at_least:
        number = {1: 'one arm', 2: 'two arms'}[at_least]
        raise UserError(f'a comparison needs {number} or more, got {", ".join(arms) or "none"}')
    if n_boot < 100:
        raise UserError(f'n_boot is {n_boot}; an interval needs at least 100 replicates')
    checked: dict[str, list[DetectionSource]] = {}
    for name, runs in arms.items():
        if isinstance(runs, (str, dict, Detections)) or hasattr(runs, '__fspath__'):
            raise UserError(
                f"arm '{name}' is one source; expected a list with one per run, as [{runs!r:.60}]"
            )
        if not len(runs):
            raise UserError(f"arm '{name}' has no run; give the detections of one at least")
        if isinstance(runs[0], Mapping):
            raise UserError(
                f"arm '{name}' is a list of detections; expected a list of runs, each of them such "
                'a list'
            )
        files = [str(source) if isinstance(source, (str, os.PathLike)) else None for source in runs]
        for i, source in enumerate(files):
            if source is not None and source in files[:i]:
                raise UserError(
                    f"arm '{name}' has {source} twice; every run needs detections of its own, or "
                    'the noise between runs is underestimated'
                )
        checked[name] = list(runs)
    baseline = next(iter(checked)) if baseline is None else baseline
    if baseline not in checked:
        nearest = did_you_mean(baseline, checked)
        raise UserError(f"the baseline '{baseline}' is no arm{nearest} (arms: {', '.join(arms)})")
    return checked, baseline


def evaluate_arms(
    evaluate: Callable[..., T],
    problem: EvaluationTask,
    arms: dict[str, list[DetectionSource]],
    n_boot: int,
    seed: int,
    threads: Optional[int],
    progress: Progress,
) -> dict[str, list[T]]:
    """Load every run of every arm and evaluate it.

    Args:
        evaluate: :func:`~mmdet_spatialattn.evaluation.evaluate_run` or another function
            of its arguments that ticks as often.
        problem: What all runs share.
        arms: As :func:`check_arms` returns them.
        n_boot: Number of replicates.
        seed: Of the replicates.
        threads: How many to use; ``None`` for as many as there are processors.
        progress: Wraps the steps.
    """
    steps = iter(progress(range(n := sum(map(len, arms.values())) * (1 + n_steps(n_boot))), n))
    results: dict[str, list[T]] = {name: [] for name in arms}
    with ThreadPoolExecutor(threads or count_processors()) as pool:
        for name, runs in arms.items():
            for source in runs:
                found = load_detections(source, problem.annotations, iou_type=problem.iou_type)
                next(steps, None)
                result = evaluate(
                    problem,
                    found,
                    n_boot=n_boot,
                    seed=seed,
                    map_fn=pool.map,
                    on_step=lambda: next(steps, None),
                )
                results[name].append(result)
    next(steps, None)  # let the bar end
    return results


def notes_on_runs(numbers: dict[str, int]) -> Iterator[str]:
    """Yield what the numbers of runs mean for the intervals."""
    if set(numbers.values()) == {1}:
        yield (
            'one run per arm: the intervals hold the choice of the images, not the noise of '
            'training; train several seeds'
        )
    elif len(set(numbers.values())) > 1:
        listed = ', '.join(f'{arm} {number}' for arm, number in numbers.items())
        yield (
            f'the arms have different numbers of runs ({listed}): each is averaged over its '
            'own; an arm with one is taken to vary between seeds as the arm it is compared with'
        )
