"""A sweep that was collected is opened again, and computed anew only where it is stale."""

import hashlib
import json
from pathlib import Path
from typing import Any, Optional

from ..errors import UserError
from ..io import read_json, write_json
from ..results import SweepResult
from ..results.comparison import SHAPES
from .collect import COSTS, VERDICT
from .config import arm_config, coco_files, flatten
from .plan import Plan
from .record import RECORD

STAMP = 'collected.json'
"""File in the folder of a sweep that says what its result was made of."""

PAGES = ('report.html', 'report.md')
PACKAGE = Path(__file__).parents[1]


def read_collected(plan: Plan, folder: Path, device: str, *, ended: bool) -> Optional[SweepResult]:
    """Return the stored result of a sweep, if nothing that it was made of has changed.

    Args:
        plan: The plan.
        folder: Folder of the sweep.
        device: ``'cuda'`` or ``'cpu'``, where costs are measured.
        ended: Whether no run may be missing.

    Returns:
        ``None`` where the result is absent, stale or damaged.

    Raises:
        UserError: The config of an arm has a mistake.
    """
    files = (STAMP, VERDICT, COSTS, *PAGES)
    if not all((folder / name).is_file() for name in files):
        return None
    try:
        stored = read_json(folder / STAMP)
        fresh = stored['stamp'] == _stamp(plan, folder, device)
        return SweepResult.read(folder / VERDICT) if fresh and stored['ended'] >= ended else None
    except (UserError, KeyError, TypeError):
        return None


def write_stamp(plan: Plan, folder: Path, device: str, *, ended: bool) -> None:
    """Note what the result of a sweep was made of.

    Args:
        plan: The plan.
        folder: Folder of the sweep.
        device: ``'cuda'`` or ``'cpu'``, where costs are measured.
        ended: Whether no run is missing.
    """
    write_json(folder / STAMP, {'stamp': _stamp(plan, folder, device), 'ended': ended})


def _stamp(plan: Plan, folder: Path, device: str) -> str:
    """Return a hash of everything that a result is made of: plan, configs, data, runs, program."""
    configs = {arm.name: arm_config(plan, arm) for arm in plan.arms}
    test_set = coco_files(configs[plan.baseline].test_dataloader).annotations
    detections = [run.detections_of(shape) for run in plan.runs for shape in SHAPES]
    records = [f'{run.name}/{RECORD}' for run in plan.runs]
    runs = [folder / name for name in (*records, *detections)]
    program = sorted(path for path in PACKAGE.rglob('*') if path.suffix not in ('', '.pyc'))
    parts: dict[str, Any] = {
        'plan': repr(plan),
        'configs': {arm: flatten(config._cfg_dict.to_dict()) for arm, config in configs.items()},
        'device': device,
        'folder': str(folder),
        'files': [_state(path) for path in (test_set, folder / COSTS, *runs, *program)],
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _state(path: Path) -> tuple[str, int, int]:
    """Return size and time of a file; zeros where it does not exist."""
    if not path.is_file():
        return (str(path), 0, 0)
    stat = path.stat()
    return (str(path), stat.st_size, stat.st_mtime_ns)
