"""A process that has imported everything, and forks for every command of ``spatialattn``.

    python -m mmdet_spatialattn.experiments.template_process

Importing torch and MMDetection takes seconds, in which a short run trains many steps. Commands come
as lines of JSON on stdin (``id``, ``arguments``, ``log``, ``environment``); on stdout a line tells
the process that executes one (``id``, ``pid``), and another its exit code (``id``, ``code``),
negative for the signal that killed it. The process ends with its stdin, and its forks end with it.
Nothing has run before a fork but imports, so that no thread and no GPU is in use.
"""

import atexit
import contextlib
import importlib
import json
import os
import select
import sys
import traceback
from typing import Any, NoReturn

from .supervised_process import end_with

MODULES = (
    'torch',
    'torchvision',
    'mmdet_spatialattn.compat',
    'mmengine.runner',
    'mmdet.apis',
    'mmdet.datasets',
    'mmdet.models',
    'mmdet.evaluation',
    'mmdet_spatialattn.experiments.resumable',
    'mmdet_spatialattn.insertion.health_hook',
    'mmdet_spatialattn.evaluation.coco_metric',
    'mmdet_spatialattn.cli.train',
)
"""What a training imports; one that cannot be imported is left to the command."""


def main() -> None:
    for name in MODULES:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    tasks: dict[int, Any] = {}
    buffer = b''
    while True:
        ready, _, _ = select.select([0], [], [], 0.1)
        if ready:
            data = os.read(0, 2**16)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b'\n')
            for line in lines:
                task = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _execute(task)
                tasks[pid] = task['id']
                _tell(id=task['id'], pid=pid)
        while tasks:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            _tell(id=tasks.pop(pid), code=os.waitstatus_to_exitcode(status))


def _tell(**message: int) -> None:
    os.write(1, json.dumps(message).encode() + b'\n')


def _execute(task: dict[str, Any]) -> NoReturn:
    """Execute a command in this fork, and end it."""
    code = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(task['log'], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(task['environment'])
        end_with(os.getppid())
        import torch

        torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 1)))
        code = importlib.import_module('mmdet_spatialattn.cli').main(task['arguments'])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == '__main__':
    main()
