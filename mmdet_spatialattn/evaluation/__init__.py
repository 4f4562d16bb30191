"""How good the detections of one run are, overall and in clutter."""

from .evaluator import Evaluation, evaluate

__all__ = ['Evaluation', 'evaluate']
