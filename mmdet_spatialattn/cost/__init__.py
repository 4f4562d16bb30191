"""Cost of models: parameters, FLOPs, latency, memory; always relative to a named baseline."""

from ..results import Cost
from .measure import measure_costs, peak_memory

__all__ = ['Cost', 'measure_costs', 'peak_memory']
