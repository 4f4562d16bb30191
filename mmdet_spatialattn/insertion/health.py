"""What attention did in a training: how far it moved, how much it changes, whether it learned.

:func:`record_start` before the training and :class:`GradientWatch` during it give what
:func:`measure_health` compares with afterwards; :class:`~.health_hook.AttentionHealthHook` does all
three in a run of MMEngine. A capacity control counts as attention: one that did not train is no
control.
"""

import contextlib
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..attention.base import SpatialAttention, capture_maps
from ..attention.initialisation import own_random_stream
from ..results.health import DIVERGED, NEVER, NOTHING, PARTLY, TRAINED, RunHealth
from ..tables import text_table
from .sites import attention_sites

SATURATED = (0.05, 0.95)
"""A gate below the first or above the second value is saturated."""


@dataclass(frozen=True)
class ModuleHealth:
    """What one attention module did in a training.

    Attributes:
        path: Its path in the model.
        module: Its class.
        parameters: Names of its parameters.
        distances: By parameter, the distance from its value at the start, relative to the norm of
            that value (absolute where that is 0); empty when the start is unknown.
        frozen: Parameters that the training may not change.
        without_gradient: The other parameters that never had a gradient.
        zeros: Those of them whose values are all 0.
        alpha: The weight of the attention in ``x + alpha (attend(x) - x)``; ``None`` without one.
        change: ``|attend(x) - x| / |x|`` on the images; ``None`` when it was not measured, as for
            what follows.
        saturated: Share of the values of its gates beyond :data:`SATURATED`; ``None`` without.
        deviation: Standard deviation of its spatial map over the positions; ``None`` without.
    """

    path: str
    module: str
    parameters: tuple[str, ...] = ()
    distances: Mapping[str, float] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    without_gradient: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    alpha: Optional[float] = None
    change: Optional[float] = None
    saturated: Optional[float] = None
    deviation: Optional[float] = None

    @property
    def verdict(self) -> str:
        """Return whether the module trained: one of the words above."""
        return self._judge()[0]

    @property
    def reason(self) -> str:
        """Return why it did not, or not wholly; empty when it did."""
        return self._judge()[1]

    @property
    def distance(self) -> Optional[float]:
        """Return the largest of the distances."""
        return max(self.distances.values(), default=None)

    @property
    def applied_change(self) -> Optional[float]:
        """Return the change as alpha lets it through."""
        if self.change is None or self.alpha is None:
            return self.change
        return abs(self.alpha) * self.change

    def _judge(self) -> tuple[str, str]:
        if not self.parameters:
            return NOTHING, 'it has no parameters'
        if any(not math.isfinite(distance) for distance in self.distances.values()):
            return DIVERGED, 'its parameters are not finite'
        if len(self.frozen) == len(self.parameters):
            return NEVER, 'all its parameters are frozen'
        # A bias before a norm or a softmax has no effect, and so no gradient.
        dead = [name for name in self.without_gradient if not name.endswith('bias')]
        unreached = f'no gradient ever reached {_listed(dead or self.without_gradient)}'
        if len(set(self.zeros) & set(dead)) > 1:
            unreached += ', which are 0 in a row and stop each other'
        living = set(self.parameters) - set(self.frozen) - set(self.without_gradient)
        if not living:
            return NEVER, unreached
        if self.distances and not any(self.distances.get(name) for name in living):
            return NEVER, 'its parameters had gradients and stayed where they were'
        if dead:
            return PARTLY, unreached
        return TRAINED, ''


@dataclass(frozen=True)
class Health:
    """What the attention of a model did in a training; prints as a table.

    Attributes:
        modules: One record per attention module.
        batches: Number of batches that maps and changes were measured on.
    """

    modules: tuple[ModuleHealth, ...]
    batches: int = 0

    @property
    def verdict(self) -> str:
        """Return whether the attention of the model trained: one of the words above."""
        verdicts = [module.verdict for module in self.modules]
        if DIVERGED in verdicts:
            return DIVERGED
        to_train = {verdict for verdict in verdicts if verdict != NOTHING}
        if not to_train:
            return NOTHING
        return to_train.pop() if len(to_train) == 1 else PARTLY

    @property
    def reason(self) -> str:
        """Return which modules did not train and why; empty when all did."""
        reasons: dict[str, list[ModuleHealth]] = {}
        for module in self.modules:
            if module.verdict not in (TRAINED, NOTHING):
                reasons.setdefault(module.reason, []).append(module)
        if not reasons and self.verdict == NOTHING:
            return 'none of the modules has parameters' if self.modules else 'there is no attention'
        return '; '.join(
            f'{modules[0].module} at {_listed([module.path for module in modules])}: {reason}'
            for reason, modules in reasons.items()
        )

    def summary(self) -> RunHealth:
        """Return what the modules did together."""
        alphas = _known(module.alpha for module in self.modules)
        return RunHealth(
            verdict=self.verdict,
            reason=self.reason,
            distance=max(_known(m.distance for m in self.modules), default=None),
            alpha=(min(alphas), max(alphas)) if alphas else None,
            change=_mean(m.applied_change for m in self.modules),
            saturated=_mean(m.saturated for m in self.modules),
            deviation=_mean(m.deviation for m in self.modules),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON; what is not finite as ``None``."""
        modules = [
            dict(asdict(module), verdict=module.verdict, reason=module.reason)
            for module in self.modules
        ]
        return _finite(
            dict(
                verdict=self.verdict,
                reason=self.reason,
                batches=self.batches,
                summary=self.summary().to_dict(),
                modules=modules,
            )
        )

    def __str__(self) -> str:
        if not self.modules:
            return 'no attention modules'
        header = ('path', 'module', 'distance', 'alpha', 'change', 'saturated', 'deviation')
        rows = [
            (
                m.path,
                m.module,
                *map(_cell, (m.distance, m.alpha, m.change, m.saturated, m.deviation)),
            )
            for m in self.modules
        ]
        reason = f': {self.reason}' if self.reason else ''
        return f'{text_table(header, rows)}\n{self.verdict}{reason}'


class GradientWatch:
    """Notices which attention parameters of a model have had a gradient.

    Attributes:
        missing: Names of the trainable ones that have had none so far.
    """

    def __init__(self, model: nn.Module) -> None:
        trainable = {n: p for n, p in attention_parameters(model) if p.requires_grad}
        self.missing = set(trainable)
        self._handles = {
            name: parameter.register_post_accumulate_grad_hook(self._note(name))
            for name, parameter in trainable.items()
        }

    def settle(self) -> None:
        """Stop watching the parameters that have had a gradient; call it between steps."""
        for name in self._handles.keys() - self.missing:
            self._handles.pop(name).remove()

    def close(self) -> None:
        """Stop watching."""
        for handle in self._handles.values():
            handle.remove()
        self._handles.clear()

    def _note(self, name: str) -> Callable[[Tensor], None]:
        def note(parameter: Tensor) -> None:
            if name in self.missing and parameter.grad is not None and parameter.grad.any():
                self.missing.discard(name)

        return note


def attention_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters of all attention modules in ``model`` with their names there."""
    for path, site in attention_sites(model).items():
        for name, parameter in site.module.named_parameters():
            yield _join(path, name), parameter


def record_start(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of all attention parameters of ``model`` by name, on the CPU.

    Example:
        >>> from torchvision.models import resnet18
        >>> from mmdet_spatialattn import insert_attention
        >>> model = resnet18()
        >>> _ = insert_attention(model, [dict(cfg=dict(type='SE'), position='stem')])
        >>> start = record_start(model)
        >>> torch.nn.init.ones_(model.maxpool.input_spatialattn.fc2.bias).shape
        torch.Size([64])
        >>> (module,) = measure_health(model, start).modules
        >>> [name for name, distance in module.distances.items() if distance > 0]
        ['fc2.bias']
    """
    return {n: p.detach().to('cpu', copy=True) for n, p in attention_parameters(model)}


def measure_health(
    model: nn.Module,
    start: Optional[Mapping[str, Tensor]],
    batches: Iterable[Any] = (),
    *,
    without_gradient: Collection[str] = (),
    forward: Optional[Callable[[nn.Module, Any], Any]] = None,
) -> Health:
    """Measure what the attention in ``model`` did since ``start``.

    Args:
        model: The model after its training.
        start: What :func:`record_start` returned before it; ``None`` when that is not known.
        batches: Inputs on which the modules run once more, in eval mode: MMEngine's batches for
            one of its models, a tensor or a tuple of arguments for any other.
        without_gradient: Names of parameters that never had a gradient
            (:attr:`GradientWatch.missing`).
        forward: Runs the model on a batch, where the above does not do.
    """
    sites = attention_sites(model)
    observations = {path: _Observation() for path in sites}
    count = 0
    with _observing(model, observations):
        for batch in batches:
            (forward or _forward)(model, batch)
            count += 1
    modules = [
        _module_health(path, site.module, start, without_gradient, observations[path])
        for path, site in sites.items()
    ]
    return Health(tuple(modules), count)


class _Observation:
    """Sums over the runs of one attention module."""

    def __init__(self) -> None:
        self.change, self.input = 0.0, 0.0  # squared norms
        self.saturated, self.gated = 0, 0  # numbers of values
        self.deviations: list[Tensor] = []

    def add(self, x: Tensor, attended: Tensor) -> None:
        self.change += float((attended - x).double().square().sum())
        self.input += float(x.double().square().sum())

    def add_map(self, name: str, values: Tensor, gates: bool) -> None:
        values = values.float()
        in_range = bool(((values >= 0) & (values <= 1)).all())
        if gates and in_range:
            low, high = SATURATED
            self.saturated += int(((values < low) | (values > high)).sum())
            self.gated += values.numel()
        if name.startswith('spatial') and values[0].numel() > 1:
            self.deviations.append(values.flatten(1).std(1))


@contextlib.contextmanager
def _observing(model: nn.Module, observations: Mapping[str, _Observation]) -> Iterator[None]:
    """Let the attention modules tell their observations what they do, in eval mode."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    with contextlib.ExitStack() as stack:
        captured = stack.enter_context(capture_maps(model))
        stack.enter_context(torch.no_grad())
        stack.enter_context(own_random_stream('health'))
        for path, observation in observations.items():
            module = model.get_submodule(path)
            maps = {
                part: captured[_join(path, part)]
                for part, child in module.named_modules()
                if isinstance(child, SpatialAttention)
            }
            hook = partial(_observe, observation=observation, maps=maps)
            stack.callback(module.register_forward_hook(hook).remove)
        try:
            yield
        finally:
            for module, mode in training.items():
                module.training = mode


def _observe(
    module: Any,
    args: tuple[Tensor, ...],
    output: Tensor,
    *,
    observation: _Observation,
    maps: Mapping[str, dict[str, Tensor]],
) -> None:
    blended = getattr(module, 'alpha', None) is not None
    observation.add(args[0], module.attend(*args) if blended else output)
    for part, published in maps.items():
        for name, values in published.items():
            observation.add_map(name, values, module.get_submodule(part).gates)
        published.clear()


def _forward(model: Any, batch: Any) -> None:
    if hasattr(model, 'val_step'):
        model.val_step(batch)
    elif isinstance(batch, tuple):
        model(*batch)
    else:
        model(batch)


def _module_health(
    path: str,
    module: nn.Module,
    start: Optional[Mapping[str, Tensor]],
    without_gradient: Collection[str],
    observation: _Observation,
) -> ModuleHealth:
    parameters = dict(module.named_parameters())
    alpha = parameters.get('alpha')
    return ModuleHealth(
        path=path,
        **module_parameters(path, module, without_gradient),
        distances={
            name: _distance(parameter, start[_join(path, name)])
            for name, parameter in parameters.items()
            if start is not None and _join(path, name) in start
        },
        alpha=None if alpha is None or alpha.numel() > 1 else float(alpha.detach()),
        change=(observation.change / observation.input) ** 0.5 if observation.input else None,
        saturated=observation.saturated / observation.gated if observation.gated else None,
        deviation=(
            float(torch.cat(observation.deviations).mean()) if observation.deviations else None
        ),
    )


def module_parameters(
    path: str, module: nn.Module, without_gradient: Collection[str]
) -> dict[str, Any]:
    """Return what :class:`ModuleHealth` says of a module's parameters, but for their distances."""
    parameters = dict(module.named_parameters())
    unreached = tuple(name for name in parameters if _join(path, name) in without_gradient)
    return dict(
        module=type(module).__name__,
        parameters=tuple(parameters),
        frozen=tuple(name for name, p in parameters.items() if not p.requires_grad),
        without_gradient=unreached,
        zeros=tuple(name for name in unreached if not parameters[name].any()),
    )


def _distance(parameter: Tensor, start: Tensor) -> float:
    size = float(start.double().norm())
    return float((parameter.detach().cpu().double() - start.double()).norm()) / (size or 1.0)


def _join(path: str, name: str) -> str:
    return f'{path}.{name}' if path and name else path or name


def _known(values: Iterable[Optional[float]]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _mean(values: Iterable[Optional[float]]) -> Optional[float]:
    known = _known(values)
    return sum(known) / len(known) if known else None


def _listed(names: Sequence[str]) -> str:
    more = f' and {len(names) - 2} more' if len(names) > 2 else ''
    return ', '.join(names[:2]) + more


def _cell(value: Optional[float]) -> str:
    return '-' if value is None else f'{value:.3g}'


def _finite(value: Any) -> Any:
    """Return plain data with ``None`` for numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
