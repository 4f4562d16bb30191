"""The common start of a sweep: one trained detector, or several, that every run begins from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from ..errors import MissingFile, UserError, did_you_mean

JITTER = 1e-6
"""Relative size of the placebo's jitter."""

KEYS = ('arm', 'epochs', 'iterations', 'seeds', 'overrides', 'exact')


@dataclass(frozen=True)
class Start:
    """What all runs of a plan begin from.

    Attributes:
        arm: The arm that is trained once, or once per seed; ``None`` where a checkpoint is given.
        epochs: Length of that training, where its config trains by epochs.
        seeds: Its seeds. With several, every arm is fine-tuned from each of these bases, and the
            conclusion does not depend on one of them.
        overrides: Changes of that training's config.
        checkpoint: File or address of a trained detector, instead of an arm.
        exact: Whether every arm must detect, untrained, exactly what the baseline detects.
        iterations: Length of that training, where its config trains by iterations.
    """

    arm: Optional[str] = None
    epochs: int = 0
    seeds: tuple[int, ...] = (0,)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Optional[str] = None
    exact: bool = True
    iterations: int = 0

    def to_plan(self) -> dict[str, Any]:
        """Return the start as a plan spells it."""
        if self.checkpoint is not None:
            return {'checkpoint': self.checkpoint, 'exact': self.exact}
        return {
            'arm': self.arm,
            **({'iterations': self.iterations} if self.iterations else {'epochs': self.epochs}),
            'seeds': list(self.seeds),
            'overrides': dict(self.overrides),
            'exact': self.exact,
        }


def read_start(value: Any, plan: Path, arms: list[str]) -> Optional[Start]:
    """Read the ``start`` of a plan.

    Args:
        value: ``'scratch'``, the path or address of a checkpoint, or ``dict(arm=..., epochs=...)``
            (``iterations=...`` where the config trains by iterations);
            ``dict(checkpoint=..., exact=False)`` for arms that do not begin as the baseline.
        plan: The file of the plan, which paths are relative to.
        arms: Names of its arms.

    Returns:
        ``None`` for ``'scratch'``.

    Raises:
        UserError: It is none of these.
    """
    if value == 'scratch':
        return None
    if isinstance(value, str):
        return Start(checkpoint=_checkpoint(value, plan))
    if isinstance(value, dict) and 'checkpoint' in value and set(value) <= {'checkpoint', 'exact'}:
        path = _checkpoint(value['checkpoint'], plan)
        return Start(checkpoint=path, exact=value.get('exact', True))
    lengths = {'epochs', 'iterations'} & set(value) if isinstance(value, dict) else set()
    if len(lengths) != 1 or 'arm' not in value or not set(value) <= set(KEYS):
        raise UserError(
            f"plan {plan}: start must be 'scratch', a checkpoint, or dict(arm=..., epochs=..., "
            f'seeds=[...], overrides=..., exact=...), got {value!r}'
        )
    (unit,) = lengths
    arm, length, seeds = value['arm'], value[unit], value.get('seeds', [0])
    if arm not in arms:
        raise UserError(
            f"plan {plan}: start: unknown arm '{arm}'{did_you_mean(str(arm), arms)} "
            f'(arms: {", ".join(arms)})'
        )
    if type(length) is not int or length < 1:
        raise UserError(f'plan {plan}: start: {unit} must be at least 1, got {length!r}')
    whole = isinstance(seeds, (list, tuple)) and all(type(s) is int and s >= 0 for s in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        raise UserError(
            f'plan {plan}: start: seeds must be different integers from 0, got {seeds!r}'
        )
    return Start(
        arm,
        epochs=length if unit == 'epochs' else 0,
        iterations=length if unit == 'iterations' else 0,
        seeds=tuple(seeds),
        overrides=value.get('overrides', {}),
        exact=value.get('exact', True),
    )


def _checkpoint(value: str, plan: Path) -> str:
    if '://' in value:
        return value
    path = (plan.parent / value).resolve()
    if not path.is_file():
        raise MissingFile(f'plan {plan}: start: no checkpoint at {path}')
    return str(path)
