"""A proposal for any detector: from its config, a checkpoint and images to a plan.

From Python::

    import mmdet_spatialattn as sa

    result = sa.try_attention(
        'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py',
        ['CBAM'],
        load_from='detector.pth',
        data='cells.json',
        images='cells',
        folder='work_dirs/cells',
    )

``spatialattn try`` does the same, and asks in between.
"""

import contextlib
import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Optional, Union

from ..compat.doctor import require_host
from ..errors import UserError
from ..io import PathLike, differences, is_empty_folder, read_json, write_json
from ..processors import count_processors
from ..results import Result, SweepResult
from ..tables import Table
from .config import arm_config, run_config, start_config
from .devices import choose_device
from .forecast import time_steps
from .plan import LOOKS, Plan, load_plan
from .plan_files import PLAN
from .progress import SILENT, SweepProgress
from .sweep import check, run_sweep
from .trial import Trial, prepare_trial

STEPS = 300
"""Training steps of the fine-tuning."""

SEEDS = 3
"""Number of seeds where neither seeds nor a budget are given."""

TIMED_STEPS = 2
"""Batches that are timed."""

REQUEST, PROPOSAL, RUNS = 'try.json', 'proposal.json', 'runs'
"""In the folder of a proposal, beside the plan: what was asked, the proposal, the sweep."""


@dataclass(frozen=True)
class Proposal(Result):
    """What would be trained, what it could show, and how long it would take.

    Attributes:
        folder: Folder of the plan, its configs and its runs.
        lines: What a user should know before it starts, by topic.
        minutes: Estimated time of all runs.
    """

    FORMAT: ClassVar[str] = 'proposal'

    folder: str
    lines: dict[str, str]
    minutes: float

    @property
    def plan_path(self) -> Path:
        """Path of the plan."""
        return Path(self.folder, PLAN)

    @property
    def plan(self) -> Plan:
        """The plan, as its file says."""
        return load_plan(self.plan_path)

    @property
    def runs(self) -> Path:
        """Folder of the sweep."""
        return Path(self.folder, RUNS)

    def tables(self) -> list[Table]:
        return [Table('', ('topic', 'proposal'), list(self.lines.items()))]

    def __str__(self) -> str:
        return '\n'.join(f'{topic:<10}{line}' for topic, line in self.lines.items())


def try_attention(
    config: PathLike,
    attention: Sequence[str],
    *,
    folder: PathLike,
    jobs: int = 1,
    device: str = 'auto',
    progress: SweepProgress = SILENT,
    **options: Any,
) -> SweepResult:
    """Propose a comparison of a detector with and without attention, and run it.

    Args:
        config: See :func:`propose`.
        attention: See :func:`propose`.
        folder: See :func:`propose`; the runs and the page are in its folder ``runs``.
        jobs: Number of runs at a time.
        device: ``'cpu'``, ``'cuda'``, or ``'auto'`` for a GPU where there is one.
        progress: Shows the progress.
        **options: See :func:`propose`.

    Raises:
        UserError: See :func:`propose` and :func:`~.sweep.run_sweep`.
    """
    proposal = propose(config, attention, folder=folder, jobs=jobs, device=device, **options)
    return run_sweep(proposal.plan, proposal.runs, jobs=jobs, device=device, progress=progress)


def propose(
    config: PathLike,
    attention: Sequence[str],
    *,
    folder: PathLike,
    at: Union[str, Sequence[str]] = 'neck',
    load_from: Optional[str] = None,
    data: Union[PathLike, Sequence[PathLike], None] = None,
    images: Optional[PathLike] = None,
    overrides: Optional[Mapping[str, Any]] = None,
    steps: int = STEPS,
    seeds: Optional[int] = None,
    budget: Optional[float] = None,
    jobs: int = 1,
    device: str = 'auto',
) -> Proposal:
    """Write the plan of a comparison into a folder, and say what it could show; train nothing.

    The detector is compared with and without attention, and with a control that has as many
    parameters as the first module. All arms are fine-tuned from one start: the checkpoint where it
    fits, else the detector as its own schedule trains it.

    Args:
        config: Config of the detector: a path, or ``mmdet::...``.
        attention: Names of attention modules; each is an arm, at every place.
        folder: A new folder, or that of the same proposal, which is then read again.
        at: One place or several; see :func:`~.placing.attention_changes`.
        load_from: Checkpoint of the detector: a file or an address.
        data: COCO annotation file, of whose images a fifth is held out for the test; or two, to
            train and to test on. By default the config's own.
        images: Folder of the images of ``data``; by default that of the annotation file.
        overrides: Changes of the config, dotted key to value.
        steps: Fine-tuning takes at least so many training steps, in whole epochs.
        seeds: Number of seeds; by default as many as the budget allows, or 3.
        budget: Minutes that all runs may take.
        jobs: Number of runs at a time.
        device: ``'cpu'``, ``'cuda'``, or ``'auto'`` for a GPU where there is one.

    Raises:
        UserError: The config, the data, the checkpoint, the attention or its place is wrong, the
            budget is too small, or the folder holds something else.
    """
    require_host()
    if seeds is not None and seeds < 2:
        raise UserError(f'seeds must be at least 2, because one shows nothing, got {seeds}')
    if steps < 1:
        raise UserError(f'steps must be at least 1, got {steps}')
    device, folder = choose_device(device), Path(folder).resolve()
    request: dict[str, Any] = {
        'config': str(config),
        'attention': list(attention),
        'at': [at] if isinstance(at, str) else list(at),
        'load_from': load_from,
        'data': _resolved([data] if isinstance(data, (str, Path)) else data or ()),
        'images': None if images is None else _resolved([images])[0],
        'overrides': dict(overrides or {}),
        'steps': steps,
        'seeds': seeds,
        'budget': budget,
    }
    if _holds(folder, request):
        return Proposal.read(folder / PROPOSAL)
    with _writing(folder):
        write_json(folder / REQUEST, request)
        trial = prepare_trial(folder, **{k: v for k, v in request.items() if k not in _SIZE})
        plan = trial.write(seeds or SEEDS)
        notes = [*trial.notes, *check(plan, folder / RUNS).notes]
        timing = _timing(plan, jobs, device)
        if seeds is None and budget is not None:
            plan = trial.write(timing.affordable(budget))
        lines = _lines(trial, plan, timing, notes)
        proposal = Proposal(str(folder), lines, timing.minutes(len(plan.seeds)))
        proposal.to_json(folder / PROPOSAL)
        return proposal


_SIZE = ('seeds', 'budget')
"""Parts of a request that only decide how many runs there are."""


class _Timing(NamedTuple):
    """Estimated minutes of the start and of one run, and how many of these run at a time."""

    start: float
    run: float
    n_arms: int
    jobs: int

    def minutes(self, seeds: int) -> float:
        return self.start + seeds * self.n_arms * self.run / self.jobs

    def affordable(self, budget: float) -> int:
        """Return the number of seeds, two at least, that a budget in minutes allows."""
        seeds = math.floor((budget - self.start) * self.jobs / (self.n_arms * self.run))
        if seeds < 2:
            raise UserError(
                f'a budget of {duration(budget)} is too small: two seeds, the fewest that show '
                f'anything, take {duration(self.minutes(2))}; give more, or fewer modules'
            )
        return min(seeds, LOOKS[-1])


def _timing(plan: Plan, jobs: int, device: str) -> _Timing:
    """Time a few steps of the detector; attention adds little to them."""
    threads = max(count_processors() // jobs, 1)
    (baseline,) = (arm for arm in plan.arms if arm.name == plan.baseline)
    config = run_config(arm_config(plan, baseline), 0, Path())
    times = time_steps(config, device=device, threads=threads, steps=TIMED_STEPS)
    start = times.seconds(start_config(plan)) if plan.start_runs else 0
    return _Timing(start / 60, times.seconds(config) / 60, len(plan.arms), jobs)


def _lines(trial: Trial, plan: Plan, timing: _Timing, notes: Sequence[str]) -> dict[str, str]:
    n_seeds = len(plan.seeds)
    return {
        **trial.facts,
        'runs': f'{timing.n_arms} arms x {n_seeds} seeds, about {duration(timing.run)} each',
        'power': trial.power(n_seeds),
        'time': f'about {duration(timing.minutes(n_seeds))} with {timing.jobs} at a time',
        **({'note': ' '.join(notes)} if notes else {}),
        'folder': str(trial.folder),
    }


def parse_duration(text: str) -> float:
    """Return the minutes that a text such as ``2h``, ``90m`` or ``1.5 hours`` gives.

    Raises:
        UserError: It gives none.

    Example:
        >>> parse_duration('1.5h')
        90.0
    """
    match = re.fullmatch(r'\s*(\d+\.?\d*)\s*(m|min|minutes?|h|hours?)\s*', text)
    if match is None or not float(match[1]):
        raise UserError(f"expected a duration such as 2h or 90m, got '{text}'")
    return float(match[1]) * (60 if match[2].startswith('h') else 1)


def duration(minutes: float) -> str:
    """Return minutes in words.

    Example:
        >>> duration(0.4), duration(12.3), duration(150)
        ('24 seconds', '12 minutes', '2.5 hours')
    """
    if minutes < 1:
        return f'{60 * minutes:.0f} seconds'
    return f'{minutes:.0f} minutes' if minutes < 100 else f'{minutes / 60:.1f} hours'


def _resolved(paths: Any) -> list[str]:
    return [str(Path(path).resolve()) for path in paths]


def _holds(folder: Path, request: Mapping[str, Any]) -> bool:
    """Return whether the folder holds the proposal of this request, finished."""
    if (folder / REQUEST).is_file():
        changes = differences(read_json(folder / REQUEST), dict(request))
        if changes:
            raise UserError(f'{folder} holds another proposal ({changes}): give another folder')
        return (folder / PROPOSAL).is_file()
    if folder.exists() and not is_empty_folder(folder):
        raise UserError(f'{folder} holds other files: give another folder')
    return False


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Remove what a proposal has written if the block ends with an error."""
    try:
        yield
    except BaseException:
        for name in (REQUEST, PROPOSAL, PLAN):
            (folder / name).unlink(missing_ok=True)
        for name in ('configs', 'data'):
            shutil.rmtree(folder / name, ignore_errors=True)
        if is_empty_folder(folder):
            folder.rmdir()
        raise
