"""The checkpoints of a run: which of them it can go on from."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional

import torch

from ..compat.checkpoint import load_checkpoint
from ..errors import UserError
from ..io import content_hash
from .fingerprint import FINGERPRINT

RUN = 'spatialattn_run'
"""Key in the meta data of a checkpoint: the run that wrote it."""

_NAME = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


def run_identity(folder: Path) -> str:
    """Return what tells the run in a folder from others, wherever it lies; empty if unknown."""
    path = folder / FINGERPRINT
    return content_hash(path) if path.is_file() else ''


def resumable_checkpoint(folder: Path, note: Callable[[str], None]) -> Optional[Path]:
    """Return the newest checkpoint in a folder that its run can go on from; ``None`` without one.

    One that is damaged, of another run, or of weights that are no numbers is passed by.

    Args:
        folder: Folder of the run.
        note: Called with a line about each checkpoint that is passed by.
    """
    for path in _newest_first(folder):
        try:
            check_training_state(load_checkpoint(path), str(path), run_identity(folder))
        except UserError as error:
            note(f'{error}: passed by')
        else:
            return path
    return None


def check_training_state(checkpoint: Mapping[str, Any], path: str, run: str = '') -> None:
    """Check that a checkpoint holds the state of a training that can go on.

    Args:
        checkpoint: Its content.
        path: Its name, for messages.
        run: Identity of the run that goes on; empty for any.

    Raises:
        UserError: A part is missing or malformed, it is of another run, or a weight is no number.
    """
    if not {'meta', 'state_dict', 'message_hub'} <= set(checkpoint):
        raise UserError(
            f'{path} holds weights but not the state of a training, so it cannot be resumed; '
            f'to start from its weights: --cfg-options load_from={path}'
        )
    meta, weights = checkpoint['meta'], checkpoint['state_dict']
    if not isinstance(meta, dict) or not isinstance(weights, dict):
        raise UserError(f"{path}: expected dictionaries as 'meta' and 'state_dict'")
    for key in ('epoch', 'iter'):
        if type(meta.get(key)) is not int or meta[key] < 0:
            raise UserError(
                f'{path}: expected a number from 0 as {key} of its meta data, got {meta.get(key)!r}'
            )
    _check_schedulers(checkpoint.get('param_schedulers', []), path)
    if run and meta.get(RUN, run) != run:
        raise UserError(f'{path} was written by another run (another arm, seed or config)')
    for name, value in weights.items():
        if isinstance(value, torch.Tensor) and not torch.isfinite(value).all():
            raise UserError(f"{path} holds weights that are no finite numbers ('{name}')")


def _check_schedulers(states: Any, path: str) -> None:
    """Check that no state replaces a method; MMEngine makes it the attributes of a scheduler."""
    from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

    groups = list(states.values()) if isinstance(states, dict) else [states]
    if not all(isinstance(group, list) for group in groups):
        raise UserError(f"{path}: expected lists of states as 'param_schedulers'")
    for state in (state for group in groups for state in group):
        if not isinstance(state, dict):
            raise UserError(f'{path}: the state of a scheduler is a {type(state).__name__}')
        methods = [key for key in state if callable(getattr(_ParamScheduler, str(key), None))]
        if methods:
            raise UserError(f"{path}: the state of a scheduler holds '{methods[0]}', a method")


def _newest_first(folder: Path) -> list[Path]:
    numbered = [(int(m[1]), p) for p in folder.glob('*.pth') if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(numbered, reverse=True)]
