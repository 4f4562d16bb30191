"""What a run is, wherever it lies: its config without the paths of a machine, its files by content.

A run is recognised by its fingerprint, which its folder holds. So the folder of a sweep may be
moved or copied to another machine, and the runs of two machines may be put into one folder: runs
with one fingerprint are the same run.
"""

import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from ..errors import UserError
from ..io import content_hash, read_json, write_json
from .checks import READ_WHOLE
from .config import GUARDS, flatten

FINGERPRINT = Path('planned', 'fingerprint.json')
PLANNED = Path('planned', 'config.py')  # MMEngine writes its own config.py into the run's folder
"""Files in the folder of a run: what it is, and its whole config with the paths of this machine."""

PARTS = (
    'custom_imports',
    'default_scope',
    'model',
    'load_from',
    'randomness',
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'default_hooks',
    'custom_hooks',
    'test_dataloader',
    'test_cfg',
    'test_evaluator',
)
"""Parts of a config that decide what a run ends with."""

IGNORED = {
    *('work_dir', 'data_root', 'outfile_prefix', 'logger'),
    *('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor'),
}
"""Keys that say where a run lies, or how its data is loaded, and not what it is."""

UNKNOWN = 'a file that is not here'
"""Stands for the content of a file that does not exist; it equals any other content."""

_UNKNOWN = repr(UNKNOWN)  # as it stands in a fingerprint

SAMPLE = 64
"""Number of images by whose content the images of a data set are recognised."""

SHOWN = 4
"""Number of differing keys that a message shows."""


def claim_run(folder: Path, config: Config) -> None:
    """Write the fingerprint of a run into its folder, or check the one that it has.

    Args:
        folder: The run's own folder.
        config: Its whole config.

    Raises:
        UserError: The folder holds a run of another config or other data; the message shows what
            differs.
    """
    planned = fingerprint(config)
    stored = _stored(folder)
    changes = compare_fingerprints(stored or planned, planned)
    if changes:
        more = f' and {len(changes) - SHOWN} more keys' if len(changes) > SHOWN else ''
        raise UserError(
            f'{folder} holds a run with another config ({"; ".join(changes[:SHOWN])}{more}): '
            'change the plan back, or give another folder for the sweep'
        )
    if not (folder / FINGERPRINT).is_file():
        known = {k: v for k, v in planned.items() if v != _UNKNOWN}
        write_json(folder / FINGERPRINT, {**planned, **(stored or {}), **known})


def fingerprint(config: Config) -> dict[str, str]:
    """Return what the run of a whole config is, dotted key to value; of files, their content."""
    parts = {key: config[key] for key in PARTS if config.get(key)}
    hooks = [hook for hook in parts.get('custom_hooks', []) if hook.get('type') not in GUARDS]
    parts = {**parts, **({'custom_hooks': hooks} if hooks else {})}
    return flatten(_by_content(Config(parts)._cfg_dict.to_dict()))


def compare_fingerprints(stored: Mapping[str, str], planned: Mapping[str, str]) -> list[str]:
    """Return how a planned run differs from a stored one; empty where they are the same."""
    changes = []
    for key in dict.fromkeys((*planned, *stored)):
        old, new = stored.get(key), planned.get(key)
        if old != new and _UNKNOWN not in (old, new):
            changes.append(f'{key} {new or "absent"} in the plan, {old or "absent"} in the folder')
    return changes


def _stored(folder: Path) -> Optional[dict[str, str]]:
    """Return the fingerprint of the run in a folder; ``None`` where there is none.

    Version 0.1 stored the config alone.
    """
    if (folder / FINGERPRINT).is_file():
        stored = read_json(folder / FINGERPRINT)
        if not isinstance(stored, dict):
            raise UserError(f'{folder / FINGERPRINT} is damaged: expected an object')
        return stored
    if (folder / PLANNED).is_file():
        return fingerprint(Config.fromfile(folder / PLANNED))
    return None


def _by_content(value: Any) -> Any:
    """Return a part of a config without paths: files by their content."""
    if isinstance(value, dict):
        value = {**value, **_data(value)}
        return {key: _by_content(item) for key, item in value.items() if key not in IGNORED}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_by_content, value))
    return _content(value) if _is_path(value) else value


def _data(part: dict) -> dict[str, str]:
    """Return what replaces the annotation file and the image folder of a data set or evaluator."""
    annotations = part.get('ann_file')
    if not isinstance(annotations, str) or '://' in annotations:
        return {}
    path = Path(part.get('data_root') or '', annotations)
    contents = {'ann_file': _content(path)}
    if 'data_prefix' in part:
        folder = Path(part.get('data_root') or '', part['data_prefix'].get('img', ''))
        contents['data_prefix'] = _images(str(path), str(folder)) if path.is_file() else UNKNOWN
    return contents


def _is_path(value: Any) -> bool:
    """Return whether a value is the path of a file, or one of another machine."""
    if not isinstance(value, str) or '://' in value:
        return False
    return os.path.isabs(value) or (os.sep in value and os.path.isfile(value))


def _content(path: Any) -> str:
    """Return a file's content in short."""
    if os.path.isdir(path):
        return 'a folder'
    if not os.path.isfile(path):
        return UNKNOWN
    stat = os.stat(path)
    return _hashed(str(path), stat.st_size, stat.st_mtime_ns)


@functools.cache
def _hashed(path: str, size: int, modified: int) -> str:
    """Return a file's content in short; ``size`` and ``modified`` notice that it has changed."""
    return f'content {content_hash(path)}'


@functools.cache
def _images(annotations: str, folder: str) -> str:
    """Return the content of some of the images that a COCO file names, in short."""
    if os.path.getsize(annotations) > READ_WHOLE:
        return 'images of a large set'
    try:
        names = [image['file_name'] for image in read_json(annotations)['images']]
    except (UserError, KeyError, TypeError):
        return 'images of another format'
    paths = [Path(folder, name) for name in names[:: max(len(names) // SAMPLE, 1)]]
    if not all(path.is_file() for path in paths):
        return UNKNOWN
    digest = hashlib.sha256(''.join(map(content_hash, paths)).encode()).hexdigest()
    return f'content {digest[:16]}'
