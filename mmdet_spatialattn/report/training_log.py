"""The loss of a training, from the log that MMEngine writes beside the checkpoints of a run."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..io import PathLike

LOGS = '*/vis_data/scalars.json'
"""The logs of a run, one per start of its training; their folders are named by time."""

MOST_POINTS = 60
"""A longer curve is averaged to as many points."""


def read_losses(folder: PathLike) -> list[tuple[float, float]]:
    """Return the steps and the loss of a run; nothing where there is no log.

    Where a training was resumed, the later log counts. Lines that were cut off are skipped.

    Args:
        folder: The folder of the run.
    """
    losses = {step: loss for step, loss in _logged(Path(folder)) if math.isfinite(loss)}
    points = np.array(sorted(losses.items())).reshape(-1, 2)
    parts = np.array_split(points, min(len(points), MOST_POINTS) or 1)
    return [(step, loss) for step, loss in (p.mean(axis=0).tolist() for p in parts if len(p))]


def has_infinite_loss(folder: PathLike) -> bool:
    """Return whether a run logged a loss that is infinite or no number."""
    return not all(math.isfinite(loss) for _step, loss in _logged(Path(folder)))


def _logged(folder: Path) -> Iterator[tuple[int, float]]:
    for log in sorted(folder.glob(LOGS)):
        for line in log.read_text(encoding='utf-8', errors='replace').splitlines():
            try:
                entry = json.loads(line)
                yield int(entry['step']), float(entry['loss'])
            except (ValueError, TypeError, KeyError):
                continue
