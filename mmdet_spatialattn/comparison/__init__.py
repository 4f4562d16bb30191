"""Which arm is better, and is it better in clutter: comparisons of runs with intervals."""

from .compare import compare
from .dose_response import dose_response
from .warmup import warm_up

__all__ = ['compare', 'dose_response', 'warm_up']
