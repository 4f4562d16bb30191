"""Checkpoints of MMEngine, read with the protection of torch 2.6 and later.

They are read with the closed list of types in :mod:`.closed_list`.

**With torch before 2.6 there is no such protection:** files are read as torch and MMEngine read
them there, with ``weights_only=False``, and a malicious file can execute code. Read only
checkpoints that you trust, or update torch.
"""

import functools
import inspect
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, Union

from ..errors import UserError, cannot_read
from ..io import require_file
from .closed_list import FileKind, finish, guarded, is_protected
from .hook import after_import

CHECKPOINT = FileKind(
    'checkpoint',
    'If you trust its source, save its weights alone to a new file: '
    "torch.save({'state_dict': torch.load(FILE, weights_only=False)[KEY]}, NEW)",
)


def install() -> None:
    """Let MMEngine read its own checkpoints, from the first import of its loaders on."""
    after_import('mmengine.runner.checkpoint', _wrap_loaders)


def load_checkpoint(path: Union[str, Path], map_location: Any = 'cpu') -> dict:
    """Read a checkpoint; with torch 2.6 or later, nothing in it is executed.

    With an earlier torch the file is read without protection: it must be trusted.

    Args:
        path: A local file, or an address that MMEngine reads (``https://``, ``torchvision://``).
        map_location: See :func:`torch.load`.

    Raises:
        MissingFile: The file does not exist.
        UserError: It is damaged or not a checkpoint, or it needs types that are not known to be
            safe; the message names the file and the types.
    """
    import torch

    name = os.path.expanduser(str(path))
    try:
        if '://' in name:
            from mmengine.runner.checkpoint import CheckpointLoader

            checkpoint = CheckpointLoader.load_checkpoint(name, map_location, logger='silent')
        else:
            require_file(name)
            with guarded(name, CHECKPOINT), warnings.catch_warnings():
                warnings.simplefilter('ignore')  # what it warns of is refused below
                checkpoint = torch.load(name, map_location, weights_only=is_protected())
                checkpoint = finish(checkpoint)
    except OSError as error:
        raise cannot_read(f'the checkpoint {name}', error) from error
    if not isinstance(checkpoint, dict):
        kind = type(checkpoint).__name__
        raise UserError(f'{name} is not a checkpoint: it holds a {kind}, not a dictionary')
    return checkpoint


def _wrap_loaders(module: ModuleType) -> None:
    """Guard the method through which all loaders of ``mmengine.runner.checkpoint`` are called.

    Nothing changes where torch has no protection, or where MMEngine sets ``weights_only`` itself.
    """
    loader = module.CheckpointLoader
    original = loader.load_checkpoint.__func__
    wrapped = hasattr(original, '__wrapped__')
    if wrapped or not is_protected() or 'weights_only' in inspect.getsource(module):
        return

    @functools.wraps(original)
    def load_checkpoint(cls, filename, map_location=None, logger='current'):
        with guarded(filename, CHECKPOINT):
            return finish(original(cls, filename, map_location, logger))

    loader.load_checkpoint = classmethod(load_checkpoint)
    # By default, torch.hub reads a downloaded file without protection.
    vars(module)['load_url'] = functools.partial(module.load_url, weights_only=True)
