"""Run a Python program in a process of its own, as a user does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """What a program left behind."""

    code: int
    out: str
    err: str


def run(*command: object, cwd: Path, env: dict = {}) -> Outcome:
    """Run ``python COMMAND...`` with one thread."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
