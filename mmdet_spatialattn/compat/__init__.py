"""MMDetection on today's PyTorch, without a compiler."""


def install() -> None:
    """Make the host usable; cheap, safe to call twice, and idle where no help is needed."""
