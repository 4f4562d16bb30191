"""Guides: maps of a neck's input that reach the guided attention inside the neck.

During a forward pass of the neck, its first pre-hook takes the guide from the arguments, the hook
of the attention uses it, and the last hook of the neck drops it. These hooks share one holder,
which lies in their arguments; a deep copy of the neck copies the holder once, without a map.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Optional

from torch import Tensor, nn

from ..errors import UserError


@dataclass(frozen=True)
class GuideSource:
    """Source of a guide.

    Attributes:
        path: Path of the neck.
        index: Index of the map among its inputs.
        pooled: Whether the guide is the mean of the map over the positions.
        channels: Number of channels of the map.
    """

    path: str
    index: int
    pooled: bool
    channels: int


class Guide:
    """Holder of the guide while the neck runs."""

    value: Optional[Tensor] = None

    def __reduce__(self) -> tuple:
        return Guide, ()

    def get(self) -> Tensor:
        """Return the guide.

        Raises:
            UserError: There is none, because the neck does not run.
        """
        if self.value is None:
            raise UserError(
                'guided attention ran outside its neck (alone, or again under activation '
                'checkpointing), where there is no guide'
            )
        return self.value


def parse_guide(guide: Any, path: str, inputs: dict[int, int]) -> GuideSource:
    """Return the source of the guide that an entry names.

    Args:
        guide: ``'top'`` for the last map that goes into the neck, ``'global'`` for its mean over
            the positions, or the index of a map that goes in.
        path: Path of the neck.
        inputs: Channels of the maps that go in, by index.

    Raises:
        UserError: ``guide`` is none of these.
    """
    if guide in ('top', 'global'):
        return GuideSource(path, max(inputs), guide == 'global', inputs[max(inputs)])
    if isinstance(guide, int) and not isinstance(guide, bool) and guide in inputs:
        return GuideSource(path, guide, False, inputs[guide])
    levels = ', '.join(map(str, inputs))
    raise UserError(
        f"guide must be 'top' (the last map that goes into the neck), 'global' (its mean) or one "
        f'of the input levels {levels}; got {guide!r}'
    )


def hold_guide(part: nn.Module, source: GuideSource) -> Guide:
    """Let ``part`` hold the guide during its forward pass, and return the holder."""
    hook: Any
    for hook in part._forward_pre_hooks.values():
        if getattr(hook, 'func', None) is take_guide and hook.keywords['source'] == source:
            return hook.keywords['holder']
    holder = Guide()
    part.register_forward_pre_hook(partial(take_guide, holder=holder, source=source), prepend=True)
    part.register_forward_hook(partial(drop_guide, holder=holder), always_call=True)
    return holder


def drop_last(part: nn.Module) -> None:
    """Move the hooks that drop guides behind all other hooks of ``part``."""
    hooks = part._forward_hooks
    for key, hook in list(hooks.items()):
        if getattr(hook, 'func', None) is drop_guide:
            hooks[key] = hooks.pop(key)


def take_guide(part: nn.Module, args: tuple, *, holder: Guide, source: GuideSource) -> None:
    """Take the guide from the arguments of the neck (a forward pre-hook)."""
    maps = args[0]
    value = (list(maps.values()) if isinstance(maps, dict) else maps)[source.index]
    holder.value = value.mean((2, 3), keepdim=True) if source.pooled else value


def drop_guide(part: nn.Module, args: tuple, output: Any, *, holder: Guide) -> None:
    """Drop the guide (a forward hook)."""
    holder.value = None
