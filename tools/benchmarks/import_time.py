"""Measure what ``import mmdet_spatialattn`` costs on top of ``import torch``.

    python tools/benchmarks/import_time.py

Each measurement is a fresh interpreter that imports torch first; the median of several is printed.
"""

import argparse
import statistics
import subprocess
import sys
from typing import Optional

CODE = (
    'import time, torch; start = time.perf_counter(); import mmdet_spatialattn; '
    'print(time.perf_counter() - start)'
)


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=7, help='interpreters to start (7)')
    args = parser.parse_args(argv)
    print(f'import mmdet_spatialattn: {import_seconds(args.repeats):.3f} s beyond torch')
    return 0


def import_seconds(repeats: int) -> float:
    """Return the median seconds of the import, after torch is loaded."""
    command = [sys.executable, '-c', CODE]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(repeats)
    ]
    return statistics.median(float(run.stdout) for run in runs)


if __name__ == '__main__':
    sys.exit(main())
