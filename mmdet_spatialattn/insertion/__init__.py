"""Insertion of attention at any placement of any model, and the audit of what was inserted."""

from .attach import SLOTS, Placement
from .audit import audit_model
from .health import Health, ModuleHealth, measure_health, record_start
from .health_hook import AttentionHealthHook
from .insert import insert_attention, remove_attention
from .recipe import attention_paramwise
from .with_attention import WithAttention

__all__ = [
    'SLOTS',
    'AttentionHealthHook',
    'Health',
    'ModuleHealth',
    'Placement',
    'WithAttention',
    'attention_paramwise',
    'audit_model',
    'insert_attention',
    'measure_health',
    'record_start',
    'remove_attention',
]
