"""A command of ``spatialattn`` that ends with the process that started it.

    python -m mmdet_spatialattn.experiments.supervised_process PARENT_PID train CONFIG ...

Otherwise a training would outlive a sweep that is killed, and the next sweep would start a second
training in its folder. The process leads a process group, which ends as a whole.
"""

import os
import runpy
import signal
import sys
import threading
import time


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    end_with(parent)
    sys.argv = ['spatialattn', *command]
    runpy.run_module('mmdet_spatialattn.cli', run_name='__main__')


def end_with(parent: int) -> None:
    """Let this process group be killed when its parent has ended."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)  # includes the workers that load data


if __name__ == '__main__':
    main()
