"""Run a command of ``spatialattn`` and end with the process that started it.

    python -m mmdet_spatialattn.experiments.supervised_process PARENT_PID train CONFIG ...

Without it a training outlives a killed sweep, and the next sweep starts a second one in its folder.
It leads a process group of its own, which ends as a whole.
"""

import os
import runpy
import signal
import sys
import threading
import time


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    sys.argv = ['spatialattn', *command]
    runpy.run_module('mmdet_spatialattn.cli', run_name='__main__')


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)  # the workers that load data too


if __name__ == '__main__':
    main()
