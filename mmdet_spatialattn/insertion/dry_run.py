"""One forward pass of a copy of a model, without data, to see the channels of its maps."""

import copy
from collections.abc import Callable
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from ..errors import UserError

IMAGE = (800, 1344)
"""Height and width of MMDetection's default test image, padded to a multiple of 32."""


class DryRun:
    """The channels of the maps that go into and come out of every module of a model.

    They come from one forward pass, which runs when the first of them is asked for.

    Args:
        model: The model.
        example: A tensor or a tuple of arguments. By default an image or, for a neck, maps with the
            channels that it declares.
        in_channels: Input channels that the configuration gives, where the model declares none.
    """

    def __init__(self, model: nn.Module, example: Any = None, in_channels: Any = None) -> None:
        self.model = model
        self.args = guess_args(model, in_channels) if example is None else as_args(example)
        self._seen: dict[tuple[str, bool], Any] = {}
        self._failure: Optional[Exception] = None

    def channels(self, path: str, side: str) -> Any:
        """Return the channels of the map at one side of the module at ``path``.

        They are a list where several maps pass there, and ``None`` where no map of four dimensions
        passes or the module does not run.

        Raises:
            UserError: The forward pass ended with an error before it reached the module.
        """
        if not self._seen:
            self._failure = run_copy(self.model, self.args, self._watch)
        key = (path, side == 'before')
        if key not in self._seen and self._failure is not None:
            reason = ' '.join(str(self._failure).split())[:200]
            raise UserError(
                f'a dry run of {type(self.model).__name__} ended early '
                f'({type(self._failure).__name__}: {reason})'
            )
        return self._seen.get(key)

    def _watch(self, model: nn.Module) -> None:
        seen = self._seen = {}
        for path, module in model.named_modules():

            def note(_: nn.Module, args: tuple, output: Any, path: str = path) -> None:
                seen.setdefault((path, True), _channels(args[0] if args else None))
                seen.setdefault((path, False), _channels(output))

            module.register_forward_hook(note, prepend=True)


def as_args(example: Any) -> tuple:
    """Return ``example`` as the arguments of a call."""
    return example if isinstance(example, tuple) else (example,)


def guess_args(model: Any, in_channels: Any = None, size: tuple[int, int] = IMAGE) -> tuple:
    """Return arguments without data: maps for a model that declares several, else an image."""
    declared = in_channels or getattr(model, 'in_channels', None)
    height, width = size
    if not isinstance(declared, (list, tuple)):
        image = in_channels if isinstance(in_channels, int) else 3
        return (torch.empty(1, image, height, width, device='meta'),)
    sides = [(-(-height // 2**i), -(-width // 2**i)) for i in range(2, 2 + len(declared))]
    maps = [torch.empty(1, c, *side, device='meta') for c, side in zip(declared, sides)]
    return (tuple(maps),)


def run_copy(
    model: nn.Module, args: tuple, watch: Callable[[nn.Module], None]
) -> Optional[Exception]:
    """Run a copy of ``model``, after ``watch(copy)``, without data; if that fails, with data.

    Returns:
        The error that ended the run early, as the post-processing of a detector without data does;
        ``None`` after a complete run.
    """
    has_data = any(isinstance(leaf, Tensor) and not leaf.is_meta for leaf in tree_leaves(args))
    failure: Optional[Exception] = None
    for meta in (True, False)[: 1 + has_data]:
        copied = copy.deepcopy(model).to('meta') if meta else copy.deepcopy(model)
        copied.eval()
        watch(copied)
        try:
            with torch.random.fork_rng(devices=[]):
                copied(*(tree_map_only(Tensor, lambda t: t.to('meta'), args) if meta else args))
        except Exception as error:
            failure = error
        else:
            return None
    return failure


def _channels(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape[1] if value.dim() == 4 else None
    values = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(values, (list, tuple)) or not values:
        return None
    channels = [_channels(value) if isinstance(value, Tensor) else None for value in values]
    return None if None in channels else channels
