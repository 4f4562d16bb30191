"""The effect of a new attention module on its input."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InitialEffect:
    """The effect of a module on random normal features, as norms give them, in eval mode.

    Prints as ``identity`` for equal output, ``x 0.50`` for scaled input, and ``destroys`` when the
    part of the output that one factor does not explain has more than half the size of the other.
    In a pretrained detector, a module without the identity needs ``identity_init=True``.

    Attributes:
        factor: The factor of the input that is nearest to the output, by least squares.
        change: Distance of the output from the input, relative to the input; 0 if they are equal.
    """

    factor: float
    change: float

    def __str__(self) -> str:
        if self.change == 0:
            return 'identity'
        rest = max(self.change**2 - (1 - self.factor) ** 2, 0) ** 0.5
        return 'destroys' if rest > 0.5 * abs(self.factor) else f'x {abs(self.factor):.2f}'
