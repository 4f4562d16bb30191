"""What was inserted where."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from .attach import Place


@dataclass(frozen=True)
class Row:
    """One inserted module."""

    path: str
    place: Place
    module: nn.Module


@dataclass(frozen=True)
class InsertionReport:
    """The inserted modules, in the order of the entries."""

    rows: list[Row]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return '\n'.join(f'{row.path}: {type(row.module).__name__}' for row in self.rows)
