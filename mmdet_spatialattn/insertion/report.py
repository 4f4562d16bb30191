"""The report on the attention in a model: one row per module, and warnings."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from ..attention.initial_effect import InitialEffect


@dataclass(frozen=True)
class Row:
    """One attention module in a model.

    Attributes:
        path: Its path in the model.
        module: Name of its class.
        position: Name of its position; ``'plugin'`` for one that was not inserted.
        places: Number of placements that share it.
        channels: Number of channels of its maps.
        map: Height and width of the largest map; ``None`` if not known.
        stride: Pixels of the image per position of that map.
        runs: Number of its runs in one forward pass of the model.
        trains: ``'yes'``, ``'no parameters'``, or ``'frozen'`` and by which setting.
        norm: Statistics that its BatchNorm uses: ``'batch'``, or ``'initial'`` and by which
            setting; empty without a BatchNorm.
        factor: See :class:`~mmdet_spatialattn.attention.initial_effect.InitialEffect`.
        change: See the same.
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
        """Whether it has parameters and all of them are frozen."""
        return self.trains.startswith('frozen')


@dataclass(frozen=True)
class InsertionReport:
    """The attention modules of a model; prints as a table, with the warnings below.

    Attributes:
        rows: One row per module.
        warnings: Settings that are probably mistakes, each with the remedy.
        size: Height and width of the image that the map sizes are for; ``None`` if not known.
    """

    rows: list[Row]
    warnings: list[str] = field(default_factory=list)
    size: Optional[tuple[int, int]] = None

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.rows:
            return 'no attention modules'
        head = ('path', 'module', 'position', 'channels', 'map', 'can learn', 'norm', 'at init')
        lines = _align([(*head, 'cost', 'memory'), *map(_cells, self.rows)])
        if self.size:
            lines.append(f'maps and memory per image for an input of {_sides(self.size)} pixels')
        return '\n'.join(lines + [f'warning: {warning}' for warning in self.warnings])


def _cells(row: Row) -> tuple[str, ...]:
    times = f' x{row.runs}' if row.runs > 1 else ''
    return (
        row.path,
        row.module,
        row.position + (f' ({row.places} places)' if row.places > 1 else ''),
        str(row.channels),
        _sides(row.map) + times if row.map else '-',
        row.can_learn,
        row.norm or '-',
        str(InitialEffect(row.factor, row.change)),
        row.cost or '-',
        '-' if row.memory is None else _bytes(row.memory),
    )


def _bytes(number: int) -> str:
    mebi = number / 2**20
    return f'{mebi / 1024:.1f} GiB' if mebi >= 1024 else f'{mebi:.1f} MiB' if mebi else '0'


def _sides(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'


def _align(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table)]
    return ['  '.join(map(str.ljust, row, widths)).rstrip() for row in table]
