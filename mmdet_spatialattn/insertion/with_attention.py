"""Insertion from a config: ``type='mmdet_spatialattn.WithAttention', of='ResNet', ...``."""

import logging
from dataclasses import replace
from typing import Any, Optional

from mmengine.logging import print_log
from torch import nn

from ..errors import UserError
from ..registry import MODELS
from .build import build_host
from .insert import insert


@MODELS.register_module()
def WithAttention(
    of: Any = None, attention: Optional[list[dict]] = None, **kwargs: Any
) -> nn.Module:
    """Build the module that ``of`` names, insert attention, and return that very module.

    In a config that inherits, only ``type``, ``of`` and ``attention`` are new; all other keys stay
    those of the base, without ``_delete_``. It works for backbones, necks, heads and whole
    detectors.

    Args:
        of: Registered name of the module: the ``type`` of the config without attention.
        attention: Entries; :class:`~.entry.Entry` lists the keys.
        **kwargs: Arguments of the module.

    Raises:
        UserError: ``of`` or an entry is wrong; the message names the value and what is allowed.

    Example:
        >>> from mmdet_spatialattn.registry import MODELS
        >>> backbone = MODELS.build(dict(
        ...     type='mmdet_spatialattn.WithAttention', of='ResNet', depth=18, attention=[
        ...         dict(cfg=dict(type='CBAM'), position='after_conv2')]))
        >>> type(backbone).__name__
        'ResNet'
    """
    if of is None:
        raise UserError("WithAttention needs of='...': the type that it takes the place of")
    if attention is None:
        raise UserError(f"WithAttention(of='{of}') needs attention=[dict(cfg=..., position=...)]")
    model = build_host(of, **kwargs)
    report = insert(model, attention, in_channels=kwargs.get('in_channels'))
    for warning in report.warnings:
        print_log(warning, logger='current', level=logging.WARNING)
    table = replace(report, warnings=())
    print_log(f'attention in {type(model).__name__}\n{table}', logger='current')
    return model
