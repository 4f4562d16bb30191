"""What a model costs."""

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from ..tables import MISSING, Table, short
from .base import Result
from .estimates import Number, Refused


@dataclass(frozen=True)
class Cost(Result):
    """What one forward pass of a model costs.

    Attributes:
        parameters: Number of parameters, trainable or not.
        flops: Floating-point operations of the matrix products, convolutions and attentions (a
            multiplication and an addition are two); element-wise operations are not counted.
        memory: Largest number of bytes that tensors made during the pass held at one moment.
        latency: Median time in seconds.
        latency_ratio: Median over rounds of the time divided by the baseline's time in the same
            round; machines drift, and a round is short.
    """

    FORMAT: ClassVar[str] = 'cost'

    parameters: int
    flops: int
    memory: int
    latency: Number
    latency_ratio: Number

    def without_times(self, reason: str) -> 'Cost':
        """Return what is the same in every measurement: the times are refused for a reason."""
        return replace(self, latency=Refused(reason), latency_ratio=Refused(reason))

    def tables(self) -> list[Table]:
        return [cost_table({'': self})]

    def rows(self) -> list[dict[str, Any]]:
        return [{k: v for k, v in asdict(self).items() if isinstance(v, (int, float))}]


def cost_table(costs: dict[str, Cost]) -> Table:
    """Return what every model costs."""
    header = ('arm', 'parameters', 'GFLOPs', 'memory in MB', 'latency in ms', 'times baseline')
    rows = [
        (
            arm,
            f'{cost.parameters:,}',
            f'{cost.flops / 1e9:.4g}',
            f'{cost.memory / 1e6:.1f}',
            MISSING if isinstance(cost.latency, Refused) else short(1000 * cost.latency),
            MISSING if isinstance(cost.latency_ratio, Refused) else f'{cost.latency_ratio:.2f}',
        )
        for arm, cost in costs.items()
    ]
    return Table('Cost of one image; memory is the peak of a forward pass', header, rows)
