"""Which arm is better, and is it better in clutter: comparisons of runs with intervals."""

from .compare import Comparison, compare
from .dose_response import DoseResponse, dose_response

__all__ = ['Comparison', 'DoseResponse', 'compare', 'dose_response']
