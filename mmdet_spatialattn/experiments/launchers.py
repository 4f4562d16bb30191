"""Where the commands of runs are executed: on this machine, by Slurm, or by Ray.

The state of a sweep is on disk alone, so that it may begin with one launcher and end with another.
Slurm and Ray need a file system that all machines share, with the sweep's folder, the data and the
Python environment at the same paths.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Protocol

from ..errors import UserError, require
from ..processors import count_processors
from .record import ENVIRONMENT, write_environment

LAUNCHERS = ('local', 'slurm', 'ray')


@dataclass(frozen=True)
class Task:
    """A command of ``spatialattn`` that trains or tests a run.

    Attributes:
        arguments: Its arguments.
        folder: Folder of the run.
        environment: Changes of the environment.
    """

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """File that its output is added to."""
        return self.folder / 'log.txt'

    def start(self) -> subprocess.Popen:
        """Start it as a child of this process, which it does not outlive."""
        module = 'mmdet_spatialattn.experiments.supervised_process'
        self.write_heading()
        with open(self.log, 'ab') as log:
            return subprocess.Popen(
                [sys.executable, '-m', module, str(os.getpid()), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def write_heading(self) -> None:
        """Begin a part of the log."""
        with open(self.log, 'ab') as log:
            log.write(f'\n$ spatialattn {" ".join(self.arguments)}\n'.encode())

    def __call__(self) -> int:
        """Execute it, and return its exit code; negative for the signal that killed it.

        For a machine that is not the sweep's: this one is noted in the folder.
        """
        on_cpu = self.environment.get('CUDA_VISIBLE_DEVICES') == ''
        write_environment(self.folder, 'cpu' if on_cpu else 'cuda')
        process = self.start()
        try:
            return process.wait()
        finally:
            _kill(process.pid)


class Execution(Protocol):
    """A task under way."""

    def poll(self) -> Optional[int]:
        """Return its exit code; ``None`` while it runs."""

    def stop(self) -> None:
        """End it, with all its processes."""


class Launcher(Protocol):
    """Executes tasks."""

    def prepare(self) -> None:
        """Begin what takes long before the first task."""

    def threads(self, jobs: int) -> int:
        """Return the number of threads of a task, of which ``jobs`` are executed at a time."""

    def start(self, task: Task) -> Execution:
        """Start a task."""


class Local:
    """Executes tasks on this machine: forks of a process that has imported what they need."""

    def __init__(self) -> None:
        self.template: Optional[_Template] = None

    def prepare(self) -> None:
        # Elsewhere forks are not safe after imports.
        if sys.platform == 'linux' and not self._is_ready():
            self.template = _Template()

    def threads(self, jobs: int) -> int:
        return max(count_processors() // jobs, 1)

    def start(self, task: Task) -> Execution:
        (task.folder / ENVIRONMENT).unlink(missing_ok=True)  # of another machine, before
        self.prepare()
        return _Child(task.start()) if self.template is None else self.template.start(task)

    def _is_ready(self) -> bool:
        return self.template is not None and self.template.process.poll() is None


class _Template:
    """The process that forks for every task; it ends with this one."""

    def __init__(self) -> None:
        module = 'mmdet_spatialattn.experiments.template_process'
        self.process = subprocess.Popen(
            [sys.executable, '-m', module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
            start_new_session=True,
        )
        self.numbers = itertools.count()
        self.told: dict[int, dict[str, int]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, task: Task) -> 'Execution':
        task.write_heading()
        number = next(self.numbers)
        message = {
            'id': number,
            'arguments': task.arguments,
            'log': str(task.log),
            'environment': dict(task.environment),
        }
        self.told[number] = {}
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then it has ended, and so has the task
            self.process.stdin.write(json.dumps(message).encode() + b'\n')
            self.process.stdin.flush()
        return _Fork(self, number)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            self.told[message.pop('id')].update(message)


class _Fork:
    def __init__(self, template: _Template, number: int) -> None:
        self.template, self.number = template, number

    def poll(self) -> Optional[int]:
        told = self.template.told[self.number]
        if 'code' not in told:
            return None if self.template.process.poll() is None else -signal.SIGKILL
        _kill(told['pid'])  # the processes that it started and left behind
        return told['code']

    def stop(self) -> None:
        while self.poll() is None:
            pid = self.template.told[self.number].get('pid')
            if pid is not None:
                _kill(pid)
            time.sleep(0.01)


class _Child:
    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def poll(self) -> Optional[int]:
        code = self.process.poll()
        if code is not None:
            _kill(self.process.pid)  # the processes that it started and left behind
        return code

    def stop(self) -> None:
        _kill(self.process.pid)
        self.process.wait()


def _kill(pid: int) -> None:
    """Kill a process with all its children: a worker that loads data may outlive it for ever."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class Slurm:
    """Submits every task as a job of Slurm.

    Args:
        options: Parameters of submitit's executor, such as ``slurm_partition``, ``timeout_min``,
            ``cpus_per_task`` and ``gpus_per_node``; ``cluster='local'`` executes the jobs here.

    Raises:
        UserError: submitit is missing, there is no Slurm, or a parameter is unknown.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.submitit: Any = require('submitit', 'slurm')
        self.options = {'cpus_per_task': 4, 'timeout_min': 24 * 60, **options}
        self.cluster = self.options.pop('cluster', 'slurm')
        self._executor(Path())

    def prepare(self) -> None:
        """Nothing takes long."""

    def threads(self, jobs: int) -> int:
        return int(self.options['cpus_per_task'])

    def start(self, task: Task) -> Execution:
        executor = self._executor(task.folder / 'slurm')
        executor.update_parameters(name=f'{task.folder.parent.name}-{task.folder.name}')
        return _SlurmJob(executor.submit(task))

    def _executor(self, folder: Path) -> Any:
        known = {} if self.cluster == 'slurm' else {'cpus_per_task': None}
        parameters = {k: v for k, v in self.options.items() if k not in known}
        try:
            executor = self.submitit.AutoExecutor(folder, cluster=self.cluster)
            executor.update_parameters(**parameters)
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise UserError(f'launcher slurm: {error}') from error
        return executor


class _SlurmJob:
    def __init__(self, job: Any) -> None:
        self.job = job

    def poll(self) -> Optional[int]:
        if not self.job.done():
            return None
        try:
            return self.job.result()
        except Exception:  # killed, out of time or of memory: submitit has several kinds
            return -signal.SIGKILL

    def stop(self) -> None:
        self.job.cancel(check=False)


class Ray:
    """Executes tasks on a cluster of Ray, or with workers of its own on this machine.

    Args:
        options: ``address`` of a running cluster (default: a new one here), ``num_cpus`` and
            ``num_gpus`` of each task.

    Raises:
        UserError: ray is missing, or an option is unknown.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.ray: Any = require('ray', 'ray')
        options = dict(options)
        self.cpus, gpus = int(options.pop('num_cpus', 1)), float(options.pop('num_gpus', 0))
        address = options.pop('address', None)
        if options:
            raise UserError(
                f"launcher ray: unknown option '{next(iter(options))}' "
                '(known: address, num_cpus, num_gpus)'
            )
        if not self.ray.is_initialized():
            self.ray.init(address=address, include_dashboard=False, log_to_driver=False)
        self.remote = self.ray.remote(num_cpus=self.cpus, num_gpus=gpus, max_retries=0)(_execute)

    def prepare(self) -> None:
        """Nothing takes long."""

    def threads(self, jobs: int) -> int:
        return self.cpus

    def start(self, task: Task) -> Execution:
        return _RayTask(self.ray, self.remote.remote(task))


def _execute(task: Task) -> int:
    return task()


class _RayTask:
    def __init__(self, ray: Any, reference: Any) -> None:
        self.ray, self.reference = ray, reference

    def poll(self) -> Optional[int]:
        done, _ = self.ray.wait([self.reference], timeout=0)
        if not done:
            return None
        try:
            return self.ray.get(self.reference)
        except self.ray.exceptions.RayError:  # the worker or its machine is lost
            return -signal.SIGKILL

    def stop(self) -> None:
        self.ray.cancel(self.reference, force=True)


def make_launcher(name: str, options: Sequence[str] = ()) -> Launcher:
    """Return a launcher.

    Args:
        name: One of :data:`LAUNCHERS`.
        options: Its options, as ``KEY=VALUE``; numbers may be written as such.

    Raises:
        UserError: The name or an option is unknown, or a package is missing.
    """
    if name not in LAUNCHERS:
        raise UserError(f"launcher must be one of {', '.join(LAUNCHERS)}, got '{name}'")
    given: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition('=')
        if not key or not equals:
            raise UserError(f"launcher {name}: expected options KEY=VALUE, got '{option}'")
        given[key] = int(value) if value.isdigit() else value
    if name == 'local':
        if given:
            raise UserError(f"launcher local takes no options, got '{options[0]}'")
        return Local()
    return Slurm(given) if name == 'slurm' else Ray(given)
