"""How many processors this process may use, and work spread over them."""

import math
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Optional

Progress = Callable[[Iterable, int], Iterable]
"""Wraps an iterable of known length to show progress."""


def silent(items: Iterable, number: int) -> Iterable:
    """Show no progress."""
    return items


def count_processors(cgroup: Path = Path('/sys/fs/cgroup')) -> int:
    """Count the processors this process may use: its affinity, limited by the container's quota.

    Args:
        cgroup: Root of the control groups; version 2 and version 1 are read.
    """
    if hasattr(os, 'sched_getaffinity'):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    quota = _container_quota(cgroup)
    return available if quota is None else max(min(available, math.ceil(quota)), 1)


def _container_quota(cgroup: Path) -> Optional[float]:
    """Return the processors that a container's time quota amounts to; ``None`` for no quota."""
    try:
        if (cgroup / 'cpu.max').is_file():  # version 2: "max 100000" or "150000 100000"
            quota, period = (cgroup / 'cpu.max').read_text().split()
        else:
            quota = (cgroup / 'cpu' / 'cpu.cfs_quota_us').read_text()
            period = (cgroup / 'cpu' / 'cpu.cfs_period_us').read_text()
        share = float(quota) / float(period)
    except (OSError, ValueError):
        return None
    return share if share > 0 else None


def in_parallel(work: Callable[[int], Any], number: int, progress: Progress = silent) -> list:
    """Return ``work(0) ... work(number - 1)``, computed by one thread per processor.

    An error of one call ends the whole at once.
    """
    with ThreadPoolExecutor(count_processors()) as pool:
        try:
            return list(progress(pool.map(work, range(number)), number))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
