"""Pickles of predictions that MMDetection's ``test --out`` writes, read without executing them.

They are plain pickles, without torch's envelope, so that ``torch.load`` does not read them. Here
torch's restricted unpickler does, with the closed list of types in :mod:`.closed_list` and one more
stand-in: for ``torch.storage._load_from_bytes``, under which a plain pickle holds the numbers of a
tensor, and which would read them without protection.
"""

import io
import os
import warnings
from typing import Any

from ..errors import UserError, cannot_read
from ..io import PathLike, require_file
from .closed_list import FileKind, finish, guarded, is_protected, refuse

PREDICTIONS = FileKind(
    'pickle of predictions',
    'Write the detections as JSON instead: spatialattn test CONFIG CHECKPOINT --out-json FILE',
)


def load_predictions(path: PathLike) -> Any:
    """Read a pickle of predictions; nothing in it is executed.

    Returns:
        What was pickled: lists, tuples, dictionaries, tensors, arrays and plain values.

    Raises:
        MissingFile: The file does not exist.
        UserError: It is damaged or not a pickle, it needs types that are not known to be safe, or
            torch is older than 2.6 and has no protection.
    """
    name = os.fspath(path)
    if not is_protected():
        raise UserError(
            f'{name} is a pickle, which is only read with torch 2.6 or later: an earlier one has '
            f'no protection against files that execute code. {PREDICTIONS.remedy}'
        )
    from torch import _weights_only_unpickler

    more = [(_storage, 'torch.storage._load_from_bytes')]
    try:
        require_file(name)
        with open(name, 'rb') as file, guarded(name, PREDICTIONS, more), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # what it warns of is refused
            return finish(_weights_only_unpickler.load(file, encoding='utf-8'))
    except OSError as error:
        raise cannot_read(name, error) from error


def _storage(data: Any) -> Any:
    """Stand-in for ``torch.storage._load_from_bytes``: the numbers of one tensor."""
    import torch

    # Storages within storages could be nested until reading them never ends.
    if not isinstance(data, bytes) or data.startswith(b'PK') or b'_load_from_bytes' in data:
        refuse('torch.storage._load_from_bytes(other things)')
    storage = torch.load(io.BytesIO(data), 'cpu', weights_only=True)
    if not isinstance(storage, torch.storage.TypedStorage):
        refuse(f'torch.storage._load_from_bytes({type(storage).__name__})')
    return storage
