"""What a sweep will do, and how long it will take."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar, NamedTuple

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from ..results import Power, Result
from ..results.power import power_table
from ..tables import Table
from .arms import building
from .pretrained import without_pretrained
from .resumable import trains_by_iterations

PATIENCE = 10.0
"""Seconds after which no further step is timed."""


@dataclass(frozen=True)
class ArmForecast:
    """The runs of one arm.

    Attributes:
        seeds: Seeds of its runs.
        finished: Number of runs that are finished already.
        seconds: Estimated time of one run.
    """

    seeds: tuple[int, ...]
    finished: int
    seconds: float


@dataclass(frozen=True)
class Forecast(Result):
    """What a sweep will do.

    Attributes:
        plan: Name of the plan.
        folder: Folder of the sweep.
        jobs: Number of runs at a time.
        arms: By arm.
        power: What the finished runs say that the sweep can see, if it was collected before.
        notes: What the sweep will do besides, such as downloads.
    """

    FORMAT: ClassVar[str] = 'forecast'

    plan: str
    folder: str
    jobs: int
    arms: dict[str, ArmForecast]
    power: dict[str, Power] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def minutes(self) -> float:
        """Estimated time of the runs that are not finished."""
        runs = ((len(arm.seeds) - arm.finished) * arm.seconds for arm in self.arms.values())
        return sum(runs) / self.jobs / 60

    def tables(self) -> list[Table]:
        runs = sum(len(arm.seeds) for arm in self.arms.values())
        rows = [
            (
                name,
                ', '.join(map(str, arm.seeds)),
                f'{arm.finished} of {len(arm.seeds)}',
                f'{arm.seconds / 60:.1f}',
            )
            for name, arm in self.arms.items()
        ]
        header = ('arm', 'seeds', 'finished', 'minutes per run')
        tables = [Table(f'{self.plan}: {runs} runs in {self.folder}', header, rows)]
        return [*tables, power_table(list(self.power.values()))] if self.power else tables

    def __str__(self) -> str:
        time = (
            f'About {self.minutes:.0f} minutes with {self.jobs} at a time, estimated from a few '
            'steps of each arm that were timed alone.'
        )
        return '\n'.join([super().__str__(), '', *self.notes, time])


class StepTimes(NamedTuple):
    """Timed steps of the training and the test of one run.

    Attributes:
        startup: Seconds until the first step.
        train: Seconds of a training step with its data.
        test: Seconds of a test step with its data.
        n_train: Training steps of an epoch.
        n_test: Test steps.
    """

    startup: float
    train: float
    test: float
    n_train: int
    n_test: int

    def seconds(self, config: Config) -> float:
        """Return the estimated seconds of a training as long as a config's, and of its test."""
        if trains_by_iterations(config):
            steps = config.train_cfg.max_iters
        else:
            steps = config.train_cfg.max_epochs * self.n_train
        return 2 * self.startup + steps * self.train + self.n_test * self.test


def training_time(config: Config, **options: Any) -> float:
    """Estimate the seconds that one run takes, from a few steps; see :func:`time_steps`."""
    return time_steps(config, **options).seconds(config)


def time_steps(
    config: Config, *, device: str = 'cpu', threads: int = 1, steps: int = 6
) -> StepTimes:
    """Time a few steps of training and of testing.

    The slowdown of a throttled machine, or by other processes, is not included. The weights are
    random: no checkpoint is read.

    Args:
        config: The whole config of the run.
        device: ``'cuda'`` or ``'cpu'``.
        threads: Number of threads of the run.
        steps: Number of batches that are timed; fewer where they take long.
    """
    start = time.perf_counter()
    with building(config), _threads(threads):
        model = MODELS.build(without_pretrained(config.model))
        model.init_weights()
        model.to(device).train()
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        train_loader, test_loader = (
            Runner.build_dataloader({**loader, 'num_workers': 0, 'persistent_workers': False})
            for loader in (config.train_dataloader, config.test_dataloader)
        )
        startup = time.perf_counter() - start
        train = _median_time(lambda data: model.train_step(data, wrapper), train_loader, steps)
        model.eval()
        with torch.no_grad():
            test = _median_time(model.test_step, test_loader, steps)
    return StepTimes(startup, train, test, len(train_loader), len(test_loader))


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _median_time(step: Callable[[Any], Any], loader: Any, steps: int) -> float:
    """Return the median time of a step with its data, after one step that warms up."""
    times, batches = [], iter(loader)
    for _ in range(min(steps + 1, len(loader))):
        start = time.perf_counter()
        step(next(batches))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        if len(times) > 1 and sum(times) > PATIENCE:
            break
    times = sorted(times[1:] or times)
    return times[len(times) // 2]
