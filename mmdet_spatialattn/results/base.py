"""What all results share: how they are stored, read, and shown.

A result is a frozen dataclass. Its JSON follows from its fields: one converter, made by cattrs,
turns every result into plain data and back. The envelope of a stored result names its format and
:data:`VERSION`. Results of an older version are upgraded when they are read.
"""

import functools
import json
import math
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Union, get_args, get_origin

import cattrs

from ..errors import UserError, require
from ..io import PathLike, read_json, write_json
from ..tables import Table

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects
    from typing_extensions import Self

VERSION = 2
"""Version of all stored results; it rises when the meaning of a key changes."""

PREFIX = 'mmdet_spatialattn'


class Result:
    """Base of all results.

    Subclasses are frozen dataclasses that set ``FORMAT`` and implement :meth:`tables`.
    """

    FORMAT: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data that JSON can hold, with its format and version."""
        return {
            'format': f'{PREFIX} {self.FORMAT}',
            'version': VERSION,
            **_converter().unstructure(self),
        }

    @classmethod
    def from_dict(cls, data: Any, *, source: str = 'the data') -> 'Self':
        """Build a result from what :meth:`to_dict` returned, of this or an older version.

        Args:
            data: The plain data.
            source: What to call the data in messages.

        Raises:
            UserError: The data has another format, a newer version, or is damaged.
        """
        from .versions import upgrade

        fields = upgrade(_opened(cls, data, source), cls.FORMAT, data['version'], source)
        try:
            return _converter().structure(fields, cls)
        except Exception as error:  # cattrs raises groups of whatever went wrong
            reason = cattrs.transform_error(error, cls.FORMAT, _describe)[0]
            raise UserError(
                f'{source} is damaged or was edited by hand: {reason}; write it again'
            ) from error

    def to_json(self, path: Optional[PathLike] = None, *, indent: Optional[int] = 1) -> str:
        """Return the result as JSON; with ``path``, write it there too, atomically."""
        data = self.to_dict()
        if path is not None:
            write_json(path, data, indent)
        return json.dumps(data, indent=indent)

    @classmethod
    def read(cls, path: PathLike) -> 'Self':
        """Read a result from a JSON file.

        Raises:
            UserError: The file is absent, is not JSON, or holds something else; see
                :meth:`from_dict`.
        """
        return cls.from_dict(read_json(path), source=str(path))

    def tables(self) -> list[Table]:
        """Return what the result shows, as tables."""
        raise NotImplementedError

    def rows(self) -> list[dict[str, Any]]:
        """Return the result as rows of a data frame."""
        return [
            dict(zip(table.header, row), table=table.caption)
            for table in self.tables()
            for row in table.rows
        ]

    def to_pandas(self) -> 'pandas.DataFrame':
        """Return :meth:`rows` as a data frame; needs pandas."""
        return require('pandas', 'report').DataFrame(self.rows())

    def plot(self) -> 'plotly.graph_objects.Figure':
        """Return a figure of the result; needs Plotly."""
        raise UserError(f'there is no figure of a result of type {type(self).__name__}; print it')

    def __str__(self) -> str:
        return '\n\n'.join(table.text() for table in self.tables())

    def _repr_html_(self) -> str:
        return ''.join(table.html() for table in self.tables())


def _opened(cls: type[Result], data: Any, source: str) -> dict[str, Any]:
    """Check the envelope of stored data."""
    expected = f'{PREFIX} {cls.FORMAT}'
    if not isinstance(data, dict) or data.get('format') != expected:
        given = data.get('format') if isinstance(data, dict) else type(data).__name__
        raise UserError(f"{source} has format {given!r}; expected '{expected}'")
    version = data.get('version')
    if type(version) is not int or version < 1:
        raise UserError(f'{source} has version {version!r}; expected a number from 1 to {VERSION}')
    if version > VERSION:
        raise UserError(
            f'{source} has version {version} and this release reads up to {VERSION}: update '
            'mmdet_spatialattn'
        )
    return data


@functools.cache
def _converter() -> cattrs.Converter:
    from .estimates import DegreesOfFreedom, Refused

    converter = cattrs.Converter(unstruct_collection_overrides={tuple: list})

    def is_refusable(kind: Any) -> bool:
        return get_origin(kind) is Union and Refused in get_args(kind)

    def make_refusable(kind: Any) -> Any:
        (other,) = (member for member in get_args(kind) if member is not Refused)

        def structure(value: Any, _: Any) -> Any:
            refused = isinstance(value, dict) and set(value) == {'refused'}
            return converter.structure(value, Refused if refused else other)

        return structure

    converter.register_structure_hook_factory(is_refusable, make_refusable)
    converter.register_unstructure_hook(Refused, lambda refused: {'refused': refused.reason})
    converter.register_structure_hook(
        Refused, lambda value, _: Refused(_checked(value['refused'], str))
    )
    converter.register_structure_hook(float, lambda value, _: _finite(value))
    converter.register_structure_hook(int, lambda value, _: _checked(value, int))
    converter.register_structure_hook(str, lambda value, _: _checked(value, str))
    converter.register_structure_hook(bool, lambda value, _: _checked(value, bool))
    converter.register_structure_hook_func(
        lambda kind: kind == DegreesOfFreedom,
        lambda value, _: math.inf if value is None else _finite(value),
    )
    converter.register_unstructure_hook(
        float, lambda value: value if math.isfinite(value) else None
    )
    return converter


def _describe(error: BaseException, kind: Optional[type]) -> str:
    return str(error) if isinstance(error, ValueError) else cattrs.v.format_exception(error, kind)


def _finite(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f'expected a finite number, got {value!r:.40}')
    return value


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f'expected {kind.__name__}, got {value!r:.40}')
    return value
