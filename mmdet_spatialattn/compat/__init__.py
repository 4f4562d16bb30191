"""MMDetection on today's PyTorch, without a compiler."""

from . import checkpoint, operators


def install() -> None:
    """Make the host usable; cheap, safe to call twice, and idle where no help is needed."""
    operators.install()
    checkpoint.install()
