"""Configs of detectors: read, changed by dotted keys, and completed for one run of a plan."""

import inspect
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from ..compat.configs import config_path
from ..datasets.root import move_data_root
from ..errors import MissingFile, UserError, did_you_mean
from ..insertion.recipe import attention_in, attention_paramwise, first_of
from ..io import PathLike
from ..registry import HOOKS
from .plan import Arm, Plan
from .resumable import make_resumable, trains_by_iterations

GUARDS = tuple(f'{HOOKS.scope}.{hook}' for hook in ('StopOnNaN', 'SignCheckpoints'))
"""Hooks that guard a run (:mod:`.guards`) and do not change what it ends with."""

BARE = ('nms', 'roi_layer')
"""Parts of a config whose type the host looks up among mmcv's operators, by its bare name."""


def arm_config(plan: Plan, arm: Arm) -> Config:
    """Return the whole config of an arm, with the plan's changes and its own.

    Raises:
        MissingFile: The config does not exist.
        UserError: The config has a mistake.
    """
    config = read_config(arm.config)
    root = config.get('data_root')
    merge(config, {**plan.overrides, **plan.fine_tuning})
    _insert_attention(config, arm)
    merge(config, arm.overrides)
    move_data_root(config, root)
    return config


def _insert_attention(config: Config, arm: Arm) -> None:
    """Write an arm's attention, and the settings of its optimiser, into a config."""
    if not arm.attention:
        return
    known = parts_of(config)
    for part in arm.attention:
        if part not in known:
            raise UserError(
                f"attention: the detector has no part '{part}'{did_you_mean(part, known)} "
                f'(parts: {", ".join(known)})'
            )
    changes = {part: attention_in(config.model[part], e) for part, e in arm.attention.items()}
    merge(config, {'model': changes})
    wrapper = config.optim_wrapper
    wrapper.paramwise_cfg = attention_paramwise(**(wrapper.get('paramwise_cfg') or {}))


def merge(config: Config, changes: Mapping[str, Any]) -> None:
    """Change a config by dotted keys.

    Raises:
        UserError: A change does not fit what it changes.
    """
    for key, value in changes.items():
        try:
            config.merge_from_dict({key: value})
        except (TypeError, KeyError, AttributeError, IndexError, AssertionError) as error:
            raise UserError(f'{key} cannot be changed to {value!r:.60}: {error}') from error


def start_config(plan: Plan) -> Config:
    """Return the whole config of the training of a plan's common start.

    Raises:
        MissingFile: The config does not exist.
        UserError: The config has a mistake.
    """
    start = plan.start
    assert start is not None
    (arm,) = (arm for arm in plan.arms if arm.name == start.arm)
    key, length = (
        ('max_iters', start.iterations) if start.iterations else ('max_epochs', start.epochs)
    )
    changes = {f'train_cfg.{key}': length, **start.overrides}
    arm = replace(arm, overrides={**arm.overrides, **changes})
    config = arm_config(replace(plan, fine_tuning={}), arm)
    if trains_by_iterations(config) != bool(start.iterations):
        counted, given = ('iterations', 'epochs') if start.epochs else ('epochs', 'iterations')
        raise UserError(
            f"the config of '{start.arm}' trains by {counted}, and the start has a number of "
            f'{given}: give start=dict(arm=..., {counted}=...)'
        )
    return config


def run_config(
    config: Config,
    seed: int,
    folder: Path,
    *,
    checkpoint: Optional[str] = None,
    jitter: float = 0.0,
) -> Config:
    """Return the config of one run of an arm: seeded, resumable, its detections and health kept.

    Args:
        config: The whole config of the arm.
        seed: Seed of the run.
        folder: The run's own folder.
        checkpoint: Trained detector that the run begins from.
        jitter: Relative size of the noise on its weights.
    """
    config = make_resumable(config, seed)
    config.work_dir = str(folder)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None  # tested at the end
    config.test_evaluator.outfile_prefix = str(folder / 'detections')
    config.test_evaluator.format_only = True  # the sweep evaluates all runs together
    config.merge_from_dict({'default_hooks.checkpoint.max_keep_ckpts': 2})
    if checkpoint is not None:
        config.load_from = checkpoint
    hooks: list[dict[str, Any]] = [dict(type=f'{HOOKS.scope}.AttentionHealthHook')]
    hooks += [dict(type=guard) for guard in GUARDS]
    if jitter:
        hooks.append(dict(type=f'{HOOKS.scope}.JitterWeights', scale=jitter, seed=seed))
    config.custom_hooks = [*config.custom_hooks, *hooks]
    return config


def parts_of(config: Config) -> list[str]:
    """Return the names of a detector's parts, such as its backbone, neck and heads."""
    parts = {name: first_of(part) for name, part in config.model.items() if part}
    return [name for name, part in parts.items() if isinstance(part, dict) and 'type' in part]


class CocoFiles(NamedTuple):
    """The files of a data set: its annotation file, and the folder of its images."""

    annotations: Path
    images: Path


def flatten(value: Any, key: str = '') -> dict[str, str]:
    """Return a part of a config by dotted keys, each value as it is written in Python.

    Example:
        >>> flatten({'optimizer': {'lr': 0.1}, 'milestones': [8, 11], 'hooks': [{'type': 'EMA'}]})
        {'hooks.0.type': "'EMA'", 'milestones': '[8, 11]', 'optimizer.lr': '0.1'}
    """
    if isinstance(value, dict) and value:
        entries = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, (list, tuple)) and any(isinstance(v, (dict, list)) for v in value):
        entries = [(str(index), item) for index, item in enumerate(value)]
    else:
        return {key: repr(value)}
    flat: dict[str, str] = {}
    for name, item in sorted(entries):
        flat |= flatten(item, f'{key}.{name}' if key else name)
    return flat


def coco_files(loader: Any) -> CocoFiles:
    """Return the files of the data set that a data loader's config reads."""
    dataset = loader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    root = Path(dataset.get('data_root') or '')
    images = (dataset.get('data_prefix') or {}).get('img', '')
    return CocoFiles((root / dataset.ann_file).resolve(), (root / images).resolve())


def iou_types(configs: Iterable[Config]) -> tuple[str, ...]:
    """Return what the test evaluators of all these configs score: masks first, then boxes.

    Example:
        >>> config = Config(dict(test_evaluator=dict(type='CocoMetric', metric=['bbox', 'segm'])))
        >>> iou_types([config])
        ('segm', 'bbox')
    """
    scored = {'segm', 'bbox'}
    for config in configs:
        metrics = config.test_evaluator.get('metric', 'bbox')
        scored &= {metrics} if isinstance(metrics, str) else set(metrics)
    return tuple(sorted(scored, reverse=True)) or ('bbox',)


def read_config(path: PathLike) -> Config:
    """Read a config: a file, or ``PACKAGE::PATH`` for one that a package ships.

    The types in a pure-Python config become names, as if it were a text-style one.

    Raises:
        MissingFile: The file does not exist.
        UserError: It has a mistake; the message names the line.
    """
    file = config_path(path)
    if not file.is_file():
        raise MissingFile(f'config {path} does not exist')
    try:
        config = Config.fromfile(file)
        if Config._is_lazy_import(str(file)):
            config = Config(_by_bare_name(config.to_dict()), filename=str(file))
        return config
    except Exception as error:
        mistake = _config_mistake(error)
        if mistake is None:
            raise
        raise UserError(f'config {path}: {mistake}') from error


def _by_bare_name(value: Any, key: str = '') -> Any:
    """Return a config in which the types that hosts look up by bare name have no module."""
    if isinstance(value, dict):
        value = {key: _by_bare_name(entry, key) for key, entry in value.items()}
        if key in BARE and isinstance(value.get('type'), str):
            value['type'] = value['type'].rpartition('.')[2]
    elif isinstance(value, (list, tuple)):
        value = type(value)(_by_bare_name(entry) for entry in value)
    return value


def checked_options(config: Config, options: Sequence[str]) -> dict[str, Any]:
    """Return the changes that ``--cfg-options`` gives, dotted key to value.

    Raises:
        UserError: An option cannot be read or does not fit the config.
    """
    changes = {}
    for option in options:
        key, equals, text = option.partition('=')
        if not equals or not key:
            raise UserError(f"--cfg-options: expected KEY=VALUE, got '{option}'")
        try:
            value = DictAction._parse_iterable(text)
        except AssertionError as error:
            raise UserError(f'--cfg-options {option}: brackets do not match') from error
        old = _current(config, key)
        if isinstance(old, (bool, int, float)) and isinstance(value, str):
            expected = 'True or False' if isinstance(old, bool) else 'a number'
            raise UserError(f"--cfg-options {option}: expected {expected}, got '{value}'")
        changes[key] = value
    return changes


def _current(config: Config, key: str) -> Any:
    """Return the value that an option will replace, ``None`` for a new key.

    Raises:
        UserError: The key leads nowhere, or its first name is a misspelt one, which would silently
            add a key that nothing reads.
    """
    first = key.split('.')[0]
    known = [*config.keys(), *inspect.signature(Runner).parameters]
    nearest = did_you_mean(first, known)
    if first not in known and nearest:
        raise UserError(f"--cfg-options {key}: the config has no '{first}'{nearest}")
    value: Any = config
    names = key.split('.')
    for depth, name in enumerate(names):
        path = '.'.join(names[:depth])
        if isinstance(value, (list, tuple)):
            if not name.isdigit() or int(name) >= len(value):
                raise UserError(
                    f"--cfg-options {key}: '{path}' is a list of {len(value)}, "
                    f"so a number from 0 to {len(value) - 1} must follow, not '{name}'"
                )
            value = value[int(name)]
        elif value is None:
            return None
        elif hasattr(value, 'get'):
            value = value.get(name)
        else:
            raise UserError(
                f"--cfg-options {key}: '{path}' is {value!r}, so there is no '{name}' in it"
            )
    return value


def _config_mistake(error: Exception) -> Optional[str]:
    """Describe the mistake in a config file; ``None`` when the error comes from other code."""
    if isinstance(error, SyntaxError):
        return f'syntax error in line {error.lineno}: {error.msg}'
    if isinstance(error, UserError) or 'in child config cannot inherit from base' in str(error):
        return str(error)
    if isinstance(error, OSError):
        return f'{error.strerror}: {error.filename}' if error.filename else str(error)
    if isinstance(error, ImportError):
        cause: BaseException = error
        while cause.__context__:
            cause = cause.__context__
        return f'custom_imports: {cause}'
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    if '_base_' in frame.f_globals:  # the namespace in which MMEngine runs a config file
        return f'{frame.f_code.co_filename}, line {line}: {type(error).__name__}: {error}'
    return None
