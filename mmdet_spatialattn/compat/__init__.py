"""MMDetection on today's PyTorch, without a compiler."""

from . import checkpoint, configs, operators
from .checkpoint import load_checkpoint
from .operators import operator_sources

__all__ = ['install', 'load_checkpoint', 'operator_sources']


def install() -> None:
    """Make the host usable; cheap, safe to call twice, and idle where no help is needed."""
    operators.install()
    checkpoint.install()
    configs.install()
