"""The weights that a config starts from: found, or refused, before anything is trained."""

import copy
import functools
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlparse

import torch
from mmengine.config import Config
from mmengine.runner import checkpoint as host

from ..errors import MissingFile, UserError, did_you_mean
from ..insertion.walk import dictionaries

TIMEOUT = 5
"""Seconds that a server has to answer."""


def check_pretrained(config: Config) -> list[str]:
    """Check that the weights from which a config initialises its model can be read.

    Returns:
        A line for each file that will be downloaded.

    Raises:
        MissingFile: A file does not exist.
        UserError: A name is unknown, or a file is not here and cannot be downloaded.
    """
    notes = (check_available(name, key) for key, name in _pretrained(config.model, 'model'))
    return [note for note in notes if note]


def check_available(name: str, key: str) -> Optional[str]:
    """Check that a checkpoint is here or can be downloaded.

    Args:
        name: A file, or an address that MMEngine reads.
        key: The key of the config that names it, for the message.

    Returns:
        What will be downloaded; ``None`` where the file is here.

    Raises:
        MissingFile: The file does not exist.
        UserError: The name is unknown, or the file is not here and cannot be downloaded.
    """
    address = _address(name, key)
    if not address.startswith(('http://', 'https://')):
        if '://' not in address and not Path(address).is_file():
            raise MissingFile(f'{key}: {address} does not exist; give another with {_option(key)}')
        return None
    cached = Path(torch.hub.get_dir(), 'checkpoints', os.path.basename(urlparse(address).path))
    if cached.is_file():
        return None
    size, reason = _ask(address)
    if reason:
        raise UserError(
            f'{key}: {name} is not in {cached.parent} and cannot be downloaded ({reason}); '
            f'download {address} elsewhere, and give the file with {_option(key)}'
        )
    return f'{key}: {address}{size} will be downloaded to {cached.parent}'


def without_pretrained(model: Any) -> Any:
    """Return a copy of a model's config that initialises itself without a checkpoint."""
    model = copy.deepcopy(model)
    for _key, part in dictionaries(model):
        if _is_pretrained(part.get('init_cfg')):
            part['init_cfg'] = None
        if part.get('pretrained'):
            part['pretrained'] = None
    return model


def _pretrained(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield the checkpoints that a model's config names, with their keys."""
    if isinstance(value, dict):
        if _is_pretrained(value):
            yield f'{key}.checkpoint', value['checkpoint']
        if isinstance(value.get('pretrained'), str):
            yield f'{key}.pretrained', value['pretrained']
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, (list, tuple)) else []
    for name, item in items:
        yield from _pretrained(item, f'{key}.{name}')


def _is_pretrained(value: Any) -> bool:
    """Return whether an ``init_cfg`` reads a checkpoint."""
    return isinstance(value, dict) and value.get('type') == 'Pretrained' and 'checkpoint' in value


def _address(name: str, key: str) -> str:
    """Return the file or the address that MMEngine reads a checkpoint from."""
    scheme, separator, model = name.partition('://')
    if not separator or scheme in ('http', 'https'):
        return os.path.expanduser(name)
    if scheme in ('torchvision', 'modelzoo'):
        known = host.get_torchvision_models()
    elif scheme in ('open-mmlab', 'openmmlab'):
        known = host.get_external_models()
        model = host.get_deprecated_model_names().get(model, model)
    elif scheme == 'mmcls':
        known = host.get_mmcls_models()
    else:
        return name  # a store that only its own client can ask
    if model not in known:
        raise UserError(f"{key}: {scheme}:// has no '{model}'{did_you_mean(model, known)}")
    address = known[model]
    return address if '://' in address else str(Path(host._get_mmengine_home(), address))


@functools.cache
def _ask(address: str) -> tuple[str, str]:
    """Return the size of a file to download, and why it cannot be downloaded; empty if unknown."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            size = int(answer.headers.get('Content-Length') or 0)
    except (OSError, ValueError) as error:
        return '', str(getattr(error, 'reason', error)) or type(error).__name__
    return f' ({size / 1e6:.0f} MB)' if size else '', ''


def _option(key: str) -> str:
    return f'--cfg-options {key}=FILE'
