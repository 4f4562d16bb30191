"""Forward passes of a copy of a model, without data, to see the shapes of its maps."""

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from ..errors import UserError

IMAGE = (800, 1344)
"""Height and width of MMDetection's default test image, padded to a multiple of 32."""

LEVELS = 5
"""Number of maps that a head is tried with."""

Shape = tuple[int, ...]
Call = list[tuple]
"""Arguments of one or several forward passes, all of which a model takes."""


class DryRun:
    """The shapes of the maps that go into and come out of every module of a model.

    They come from forward passes that run when the first of them is asked for.

    Args:
        model: The model.
        example: A tensor or a tuple of arguments. By default an image, for a detector with its
            samples; for a neck or a head, maps with the channels that it declares.
        in_channels: Input channels that the configuration gives, where the model declares none.
    """

    def __init__(self, model: nn.Module, example: Any = None, in_channels: Any = None) -> None:
        self.model = model
        self.calls = [[as_args(example)]] if example is not None else guess(model, in_channels)
        self._call: Call = []
        self._seen: dict[tuple[str, bool], Any] = {}
        self._larger: Optional[dict[tuple[str, bool], Any]] = None
        self._failure: Optional[Exception] = None

    def channels(self, path: str, side: str) -> Any:
        """Return the channels of the map at one side of the module at ``path``.

        They are a list where several maps pass there, and ``None`` where no map of four dimensions
        passes or the module does not run.

        Raises:
            UserError: The forward pass ended with an error before it reached the module.
        """
        self._run()
        key = (path, side == 'before')
        if key not in self._seen and self._failure is not None:
            reason = ' '.join(str(self._failure).split())[:200]
            raise UserError(
                f'a dry run of {type(self.model).__name__} ended early '
                f'({type(self._failure).__name__}: {reason})'
            )
        shapes = self._seen.get(key)
        if shapes is None or any(len(shape) != 4 for shape in _listed(shapes)):
            return None
        return [s[1] for s in shapes] if isinstance(shapes, list) else shapes[1]

    def obstacle(self, path: str, side: str) -> str:
        """Return why what passes at a place is no map (N, C, H, W); empty if nothing shows that.

        A second pass with larger images tells where the channels come last: there the second side
        of a map grows with the image.
        """
        self._run()
        key = (path, side == 'before')
        shapes = _listed(self._seen.get(key))
        if any(len(shape) == 3 for shape in shapes):
            return f'is tokens (N, L, C), {shapes[0]}'
        if any(len(shape) == 5 for shape in shapes):
            return f'has five dimensions, {shapes[0]}'
        larger = _listed(self._larger_run().get(key))
        if any(len(a) == 4 and len(b) == 4 and a[1] != b[1] for a, b in zip(shapes, larger)):
            return 'has the channels last'
        return ''

    def maps(self, side: str) -> list[str]:
        """Return the paths of all modules at whose side one map (N, C, H, W) passes.

        Its height and width grow with the image, where larger images can be tried: those of
        attention matrices do not.
        """
        self._run()
        larger = self._larger_run()
        found = []
        for key, shape in self._seen.items():
            if key[1] != (side == 'before') or not isinstance(shape, tuple) or len(shape) != 4:
                continue
            grown = larger.get(key, shape)
            same = grown[:2] == shape[:2] and (grown is shape or min(grown[2:]) > min(shape[2:]))
            if same:
                found.append(key[0])
        return found

    def _run(self) -> None:
        """Run the first call that the model takes; of those that all fail, keep the longest."""
        if self._call:
            return
        for call in self.calls:
            seen: dict[tuple[str, bool], Any] = {}
            failures = [run_copy(self.model, args, partial(_watch, seen)) for args in call]
            complete = None in failures and not _drops_maps(call[0], seen.get(('', False)))
            if complete or not self._call or len(seen) > len(self._seen):
                self._call, self._seen = call, seen
                self._failure = None if complete else failures[0]
            if complete:
                return

    def _larger_run(self) -> dict[tuple[str, bool], Any]:
        if self._larger is None:
            self._larger = {}
            for args in self._call:
                run_copy(self.model, _enlarged(args), partial(_watch, self._larger))
        return self._larger


def _watch(seen: dict[tuple[str, bool], Any], model: nn.Module) -> None:
    """Note what passes at every module, at its first call."""
    for path, module in model.named_modules():

        def note(_: nn.Module, args: tuple, output: Any, path: str = path) -> None:
            seen.setdefault((path, True), _shapes(args[0] if args else None))
            seen.setdefault((path, False), _shapes(output))

        module.register_forward_hook(note, prepend=True)


def _drops_maps(args: tuple, output: Any) -> bool:
    """Return whether fewer maps come out than go in: the model reads one of them, with its size."""
    several = isinstance(args[0], tuple) and len(args[0]) > 1
    return several and isinstance(output, list) and len(output) < len(args[0])


def _enlarged(args: tuple) -> tuple:
    """Return arguments whose maps are twice as high and wide, without data."""
    return tree_map_only(
        Tensor,
        lambda t: (
            torch.empty(*t.shape[:2], *(2 * side for side in t.shape[2:]), device='meta')
            if t.dim() == 4
            else t.to('meta')
        ),
        args,
    )


def as_args(example: Any) -> tuple:
    """Return ``example`` as the arguments of a call."""
    return example if isinstance(example, tuple) else (example,)


def guess(model: Any, in_channels: Any = None, size: tuple[int, int] = IMAGE) -> list[Call]:
    """Return calls that a model may take, without data, the most probable first.

    Args:
        model: A detector, a backbone, a neck, a head, or a part of one.
        in_channels: Input channels that the configuration gives.
        size: Height and width of images.
    """
    if _is_detector(model):
        return [_detector_call(_empty(c, size), size) for c in _image_channels(model)]
    declared = in_channels or getattr(model, 'in_channels', None)
    if isinstance(declared, (list, tuple)):
        return [[(tuple(_pyramid(declared, size)),)]]
    images = [[(_empty(c, size),)] for c in _image_channels(model)]
    if not isinstance(declared, int):
        return images
    side = getattr(model, 'roi_feat_size', None)
    if side is not None:
        return [[(_empty(declared, side if isinstance(side, tuple) else (side, side)),)]]
    one = [[(_empty(declared, size),)]]
    several = [[(tuple(_pyramid([declared] * n, size)),)] for n in (LEVELS, 1)]
    return [*one, *images, *several] if declared <= 4 else [*several, *one, *images]


def takes_images(model: Any) -> bool:
    """Return whether a model declares nothing against images as its input."""
    declared = getattr(model, 'in_channels', None)
    return declared is None or (isinstance(declared, int) and declared <= 4)


def _is_detector(model: Any) -> bool:
    structures = sys.modules.get('mmdet.models.detectors.base')  # imported, if it is one of its own
    return structures is not None and isinstance(model, structures.BaseDetector)


def _detector_call(image: Tensor, size: tuple[int, int]) -> Call:
    """Return a detector's call as in a test, and one that also ends without data."""
    from mmdet.structures import DetDataSample

    shape = dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size)
    meta = dict(shape, scale_factor=(1.0, 1.0), img_id=0)
    samples = [DetDataSample(metainfo=meta)]
    return [(image, samples, 'predict'), (image, samples, 'tensor')]


def _image_channels(model: nn.Module) -> list[int]:
    """Return the numbers of channels that images may have: those of the first convolution, and 3.

    The first convolution may also read more than an image, as after YOLOX's Focus.
    """
    convs = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    first = next((conv.in_channels for conv in convs), 3)
    return list(dict.fromkeys([first, 3] if first <= 4 else [3, first]))


def _empty(channels: int, size: Sequence[int]) -> Tensor:
    return torch.empty(1, channels, *size, device='meta')


def _pyramid(channels: Sequence[int], size: tuple[int, int]) -> Iterator[Tensor]:
    """Yield maps from stride 4 on."""
    for level, number in enumerate(channels, start=2):
        yield _empty(number, [-(-side // 2**level) for side in size])


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


def _shapes(value: Any) -> Any:
    """Return the shape of a tensor, the shapes of several, or ``None`` for anything else."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    values = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(values, (list, tuple)) or not values:
        return None
    if not all(isinstance(value, Tensor) for value in values):
        return None
    return [tuple(value.shape) for value in values]


def _listed(shapes: Any) -> list[Shape]:
    return shapes if isinstance(shapes, list) else [] if shapes is None else [shapes]
