"""How the optimiser treats inserted attention."""

from typing import Any

from .attach import TOKEN


def attention_paramwise(lr_mult: float = 1.0, **rest: Any) -> dict[str, Any]:
    """Return ``paramwise_cfg`` of an optimiser wrapper: no decay on alpha, a rate for attention.

    Weight decay would pull alpha back to the identity. The keys match inserted attention wherever
    it sits, and come before shorter ones, such as DINO's ``backbone``.

    Args:
        lr_mult: Learning rate of the attention, alpha included, relative to the base rate.
        **rest: Other keys of ``paramwise_cfg``; ``custom_keys`` are joined.

    Example:
        >>> attention_paramwise(lr_mult=5.0)['custom_keys']['spatialattn']
        {'lr_mult': 5.0}
    """
    keys = {
        TOKEN: dict(lr_mult=lr_mult),
        f'{TOKEN}.alpha': dict(lr_mult=lr_mult, decay_mult=0.0),
    }
    return dict(rest, custom_keys={**rest.get('custom_keys', {}), **keys})
