"""Changes to the behaviour of a model that attention was inserted into.

- ``init_weights`` passes the attention by, which initialises itself
  (:mod:`mmdet_spatialattn.attention.initialisation`).
- Loading a checkpoint of the plain model reports the missing keys as expected, in one line.
- Frozen stages are frozen again, so that the attention in them is frozen from the beginning, as the
  host would do at its next ``.train()``.
- A norm layer that was replaced later (by a conversion to SyncBatchNorm) gets its attention back.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from ..attention.initialisation import behind, guard, loads_pretrained
from ..errors import UserError
from .attach import RECORDS, Attached, attached_to, hook_up, unhook

EXPECTED = 'expected: attention'


def prepare(model: nn.Module) -> None:
    """Prepare ``model`` for the attention below it; to be called after each insertion."""
    restore(model)
    for path, _, _ in attached_to(model):
        for part in parts_above(model, path):
            guard(type(part))
    model.register_load_state_dict_pre_hook(expect_missing)
    on_norms = [
        (path, attached)
        for path, target, attached in attached_to(model)
        if isinstance(target, nn.modules.batchnorm._NormBase)
    ]
    if on_norms:
        model.register_forward_pre_hook(partial(reattach, on_norms=on_norms), prepend=True)
    for part in model.modules():
        freeze: Any = getattr(part, '_freeze_stages', None)
        if freeze is not None:
            freeze()


def restore(model: nn.Module) -> None:
    """Remove the hooks of :func:`prepare`."""
    unhook(model, reattach)
    for key, wrapped in list(model._load_state_dict_pre_hooks.items()):
        if getattr(wrapped, 'hook', None) is expect_missing:
            del model._load_state_dict_pre_hooks[key]


def expect_missing(model: nn.Module, state_dict: dict, prefix: str, *rest: Any) -> None:
    """Add the attention to a checkpoint that has none, and log it (a load_state_dict pre-hook).

    The attention keeps its values. Modules that the checkpoint has some keys of are left to the
    usual report.
    """
    absent = {
        path: module
        for path, module in inserted_modules(model).items()
        if module.state_dict() and not any(k.startswith(f'{prefix}{path}.') for k in state_dict)
    }
    if not absent:
        return
    for path, module in absent.items():
        for key, value in module.state_dict(keep_vars=True).items():
            state_dict[f'{prefix}{path}.{key}'] = value
    bare = [path for path, module in absent.items() if not _identity(module)]
    effect = (
        'the outputs are those of the checkpoint'
        if not bare
        else f'{len(bare)} of them without identity_init, so the outputs change'
    )
    print_log(
        f'{EXPECTED}: {len(absent)} inserted modules are not in the checkpoint and keep their '
        f'initial values ({next(iter(absent))}, ...); {effect}',
        logger='current',
    )


def reattach(model: nn.Module, args: tuple, *, on_norms: list[tuple[str, Attached]]) -> None:
    """Attach attention to norm layers that were replaced by ones with the same children.

    Raises:
        UserError: A norm layer was replaced by a module without the attention.
    """
    if torch.compiler.is_compiling():
        return
    for path, attached in on_norms:
        try:
            target = model.get_submodule(path)
        except AttributeError:
            target = nn.Identity()
        if RECORDS in target.__dict__:
            continue
        if attached.name not in target._modules:
            raise UserError(
                f"'{path}' was replaced or removed after attention was inserted there, and the "
                'attention is gone (fusing convolution and norm, and merging branches, do so); '
                'fuse before inserting, or insert after the block'
            )
        records = [record for other, record in on_norms if other == path]
        for record in records:
            hook_up(target, record)
        target.__dict__[RECORDS] = records


def inserted_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that were inserted into ``model`` by path; shared ones once."""
    modules: dict[str, nn.Module] = {}
    for path, target, attached in attached_to(model):
        module = behind(target._modules.get(attached.name))
        if module is not None:
            modules['.'.join(filter(None, (path, attached.name)))] = module
    return modules


def parts_above(model: nn.Module, path: str) -> Iterator[nn.Module]:
    """Yield ``model`` and the modules on the way to ``path``, the one there included."""
    names = list(filter(None, path.split('.')))
    for depth in range(len(names) + 1):
        yield model.get_submodule('.'.join(names[:depth]))


def below_pretrained(model: nn.Module, path: str) -> bool:
    """Return whether a part above the module at ``path`` loads pretrained weights."""
    return any(map(loads_pretrained, parts_above(model, path)))


def _identity(module: Any) -> bool:
    has_alpha = getattr(module, 'alpha', None) is not None
    return has_alpha or getattr(module, 'identity_at_init', False)
