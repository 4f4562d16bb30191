"""Where attention goes: placements, the engine, the audit, the config door."""

from .audit import audit_model
from .insert import insert_attention, remove_attention
from .recipe import attention_paramwise
from .with_attention import WithAttention

__all__ = [
    'WithAttention',
    'attention_paramwise',
    'audit_model',
    'insert_attention',
    'remove_attention',
]
