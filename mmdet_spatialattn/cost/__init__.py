"""What a model costs: parameters, FLOPs, latency, memory; always against a named peer."""

from .measure import Cost, measure_costs, peak_memory

__all__ = ['Cost', 'measure_costs', 'peak_memory']
