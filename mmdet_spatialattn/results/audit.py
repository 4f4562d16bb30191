"""The attention modules of a model: one row per module, and warnings with their remedies."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Optional

from ..tables import MISSING, Table
from .base import Result
from .initial_effect import InitialEffect


@dataclass(frozen=True)
class AuditRow:
    """One attention module in a model.

    Attributes:
        path: Its path in the model.
        module: Its class.
        position: Named position where it sits; ``'plugin'`` for MMDetection's own mechanism.
        places: Number of places that share it.
        channels: Channels of its maps.
        map: Height and width of the largest map it sees; ``None`` where that is not known.
        stride: Input pixels per position of that map.
        runs: How often it runs in one forward pass of the model.
        trains: ``'yes'``, ``'no parameters'``, or ``'frozen'`` and by which setting.
        norm: Statistics its BatchNorm uses: ``'batch'``, or ``'initial'`` and by which setting;
            empty without a BatchNorm.
        factor: Factor by which it scales random features when built, by least squares.
        change: Distance of its output from its input then, relative to the input; 0 is the
            identity.
        cost: How its time and memory grow with the map.
        memory: Bytes that it keeps for the backward pass, per image, at these map sizes.
        can_learn: Result of a few training steps on random data: ``'yes'``, ``'no'`` or
            ``'partly'`` with the reason; ``'not tried'`` without these steps.
    """

    path: str
    module: str
    position: str
    places: int
    channels: int
    map: Optional[tuple[int, int]]
    stride: Optional[float]
    runs: int
    trains: str
    norm: str
    factor: float
    change: float
    cost: str
    memory: Optional[int]
    can_learn: str = 'not tried'

    @property
    def frozen(self) -> bool:
        """Whether it has parameters and none of them is trained."""
        return self.trains.startswith('frozen')

    @property
    def initial_effect(self) -> InitialEffect:
        """Effect of the module on its input when built."""
        return InitialEffect(self.factor, self.change)


@dataclass(frozen=True)
class Audit(Result):
    """The attention modules of a model.

    Attributes:
        modules: One row per module.
        warnings: What is likely not meant, each with the remedy.
        size: Height and width of the image that the map sizes are for, where they are known.
    """

    FORMAT: ClassVar[str] = 'audit'

    modules: tuple[AuditRow, ...]
    warnings: tuple[str, ...] = ()
    size: Optional[tuple[int, int]] = None

    def __iter__(self) -> Iterator[AuditRow]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)

    def tables(self) -> list[Table]:
        header = ('path', 'module', 'position', 'channels', 'map', 'can learn', 'norm', 'at init')
        rows = [_cells(row) for row in self.modules]
        return [Table('', (*header, 'cost', 'memory'), rows)]

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.modules]

    def __str__(self) -> str:
        if not self.modules:
            return 'no attention modules'
        lines = [super().__str__()]
        if self.size:
            lines.append(f'maps and memory per image for an input of {_sides(self.size)} pixels')
        return '\n'.join(lines + [f'warning: {warning}' for warning in self.warnings])


def _cells(row: AuditRow) -> tuple[str, ...]:
    repeats = f' x{row.runs}' if row.runs > 1 else ''
    return (
        row.path,
        row.module,
        row.position + (f' ({row.places} places)' if row.places > 1 else ''),
        str(row.channels),
        _sides(row.map) + repeats if row.map else MISSING,
        row.can_learn,
        row.norm or MISSING,
        str(row.initial_effect),
        row.cost or MISSING,
        MISSING if row.memory is None else _bytes(row.memory),
    )


def _bytes(number: int) -> str:
    mebi = number / 2**20
    return f'{mebi / 1024:.1f} GiB' if mebi >= 1024 else f'{mebi:.1f} MiB' if mebi else '0'


def _sides(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'
