"""Where attention goes: placements, the engine, the audit, the config door."""

from .insert import insert_attention, remove_attention
from .report import InsertionReport
from .with_attention import WithAttention

__all__ = ['InsertionReport', 'WithAttention', 'insert_attention', 'remove_attention']
