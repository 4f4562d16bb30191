"""Configs with attention: a part that inserts it, and how the optimiser treats it."""

import copy
from collections.abc import Sequence
from typing import Any

from ..registry import MODELS
from .attach import TOKEN

_WRAPPER = f'{MODELS.scope}.WithAttention'


def first_of(part: Any) -> Any:
    """Return the config of a detector's part; of a sequence of necks the first."""
    return part[0] if isinstance(part, (list, tuple)) else part


def attention_in(part: Any, attention: Sequence[dict[str, Any]]) -> Any:
    """Return what changes in the config of a part so that it inserts attention.

    Args:
        part: Config of a backbone, a neck or another part; of a sequence of necks, the first gets
            the attention. Entries that it has already are kept.
        attention: Entries, as of ``WithAttention``.

    Returns:
        Changes that a config which inherits may write as that part; a sequence of necks is returned
        whole.

    Example:
        >>> attention_in(dict(type='FPN'), [dict(cfg=dict(type='CBAM'), position='output')])['of']
        'FPN'
    """
    first = first_of(part)
    if first['type'] == _WRAPPER:
        changes: dict[str, Any] = dict(attention=[*first['attention'], *attention])
    else:
        changes = dict(type=_WRAPPER, of=first['type'], attention=list(attention))
    if first is part:
        return changes
    return [{**copy.deepcopy(first), **changes}, *copy.deepcopy(list(part[1:]))]


def attention_paramwise(
    lr_mult: float = 1.0, alpha_lr_mult: float = 20.0, **rest: Any
) -> dict[str, Any]:
    """Return ``paramwise_cfg`` of an optimiser wrapper for a model with inserted attention.

    ``alpha`` starts at 0, and the module is used as far as ``alpha`` has come: at the rate of the
    host it stays near 0 in a short training. It gets a larger rate, and no weight decay, which
    would pull it back to the identity. The keys match inserted attention wherever it sits, and come
    before shorter ones, such as DINO's ``backbone``.

    Args:
        lr_mult: Learning rate of the attention relative to the base rate.
        alpha_lr_mult: Learning rate of ``alpha`` relative to the base rate.
        **rest: Other keys of ``paramwise_cfg``; ``custom_keys`` are joined.

    Example:
        >>> attention_paramwise()['custom_keys']['spatialattn.alpha']
        {'lr_mult': 20.0, 'decay_mult': 0.0}
    """
    keys = {
        TOKEN: dict(lr_mult=lr_mult),
        f'{TOKEN}.alpha': dict(lr_mult=alpha_lr_mult, decay_mult=0.0),
    }
    return dict(rest, custom_keys={**rest.get('custom_keys', {}), **keys})
