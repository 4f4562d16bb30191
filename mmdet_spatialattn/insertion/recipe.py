"""How the optimiser treats inserted attention."""

from typing import Any

from .attach import TOKEN


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
