"""What a neck's input hands to the guided attention inside it, during one forward.

The neck's pre-hook takes the guide from its arguments before anything else reads them, the
attention's hook uses it, the neck's last hook drops it. The holder lies in the arguments of these
hooks; a deep copy of the neck copies it once for all of them, and never with a map inside.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Optional, Union

from torch import Tensor, nn

from ..errors import UserError

Which = Union[str, int]
"""``'top'``: the last map that goes into the neck; ``'global'``: its mean over the positions; or
the index of a map that goes in."""


@dataclass(frozen=True)
class GuideSource:
    """Where a guide comes from: which input of the part at ``path``, with how many channels."""

    path: str
    index: int
    pooled: bool
    channels: int


class Guide:
    """Holds the guide while its neck runs."""

    value: Optional[Tensor] = None

    def __reduce__(self) -> tuple:
        return Guide, ()

    def get(self) -> Tensor:
        if self.value is None:
            raise UserError(
                'guided attention ran outside its neck (alone, or again under activation '
                'checkpointing), where there is no guide'
            )
        return self.value


def parse_guide(which: Any, path: str, inputs: dict[int, int]) -> GuideSource:
    """Return the source that ``which`` names among a part's inputs, given their channels by index.

    Raises:
        UserError: It names none of them.
    """
    if which in ('top', 'global'):
        return GuideSource(path, max(inputs), which == 'global', inputs[max(inputs)])
    if isinstance(which, int) and not isinstance(which, bool) and which in inputs:
        return GuideSource(path, which, False, inputs[which])
    levels = ', '.join(map(str, inputs))
    raise UserError(
        f"guide must be 'top' (the last map that goes into the neck), 'global' (its mean) or one "
        f'of the input levels {levels}; got {which!r}'
    )


def hold_guide(part: nn.Module, source: GuideSource) -> Guide:
    """Let ``part`` hold the guide during its forward, and return the holder."""
    hook: Any
    for hook in part._forward_pre_hooks.values():
        if getattr(hook, 'func', None) is take_guide and hook.keywords['source'] == source:
            return hook.keywords['holder']
    holder = Guide()
    part.register_forward_pre_hook(partial(take_guide, holder=holder, source=source), prepend=True)
    part.register_forward_hook(partial(drop_guide, holder=holder), always_call=True)
    return holder


def drop_last(part: nn.Module) -> None:
    """Move the dropping of guides behind hooks that were registered since."""
    hooks = part._forward_hooks
    for key, hook in list(hooks.items()):
        if getattr(hook, 'func', None) is drop_guide:
            hooks[key] = hooks.pop(key)


def take_guide(part: nn.Module, args: tuple, *, holder: Guide, source: GuideSource) -> None:
    maps = args[0]
    value = (list(maps.values()) if isinstance(maps, dict) else maps)[source.index]
    holder.value = value.mean((2, 3), keepdim=True) if source.pooled else value


def drop_guide(part: nn.Module, args: tuple, output: Any, *, holder: Guide) -> None:
    holder.value = None
