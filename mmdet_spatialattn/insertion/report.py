"""What was inserted where, and in which state: one row per module, and what to mind."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Optional


@dataclass(frozen=True)
class Row:
    """One attention module in a model.

    Attributes:
        path: Its path in the model.
        module: Its class.
        position: Where it sits, as named; ``'plugin'`` for MMDetection's own mechanism.
        places: Number of places that share it.
        channels: Channels of its maps.
        map: Height and width of the largest map it sees; ``None`` where that is not known.
        stride: Input pixels per position of that map.
        runs: How often it runs in one forward of the model.
        trains: ``'yes'``, ``'no parameters'``, or ``'frozen'`` and by whom.
        can_learn: What a few training steps on random data showed: ``'yes'``, ``'no'`` or
            ``'partly'`` with the reason; ``'not tried'`` where nothing was trained.
        norm: What its BatchNorm uses: ``'batch'``, or ``'initial'`` statistics and by whom; empty
            without one.
        factor: The factor by which it scales rectified noise when built, by least squares.
        change: How far its output is from its input then, relative to the input; 0 is the identity.
        cost: How its time and memory grow with the map.
        memory: Bytes that it keeps for the backward pass, per image, at these map sizes.
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


@dataclass(frozen=True)
class InsertionReport:
    """The attention modules of a model; prints as a table with the warnings below.

    Attributes:
        rows: One per module.
        warnings: What is likely not meant, each with the remedy.
        size: Height and width of the image that the map sizes are for, where they are known.
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
        init_text(row),
        row.cost or '-',
        '-' if row.memory is None else _bytes(row.memory),
    )


def init_text(row: Row) -> str:
    """Return in a few characters what the module does to its input when built."""
    if row.change == 0:
        return 'identity'
    rest = max(row.change**2 - (1 - row.factor) ** 2, 0) ** 0.5
    return f'x{row.factor:.2f}' + (f' ±{rest:.2f}' if rest >= 0.1 else '')


def _bytes(number: int) -> str:
    mebi = number / 2**20
    return f'{mebi / 1024:.1f} GiB' if mebi >= 1024 else f'{mebi:.1f} MiB' if mebi else '0'


def _sides(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'


def _align(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table)]
    return ['  '.join(map(str.ljust, row, widths)).rstrip() for row in table]
