"""The audit: the state of every attention module in a model, and probable mistakes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..attention.initial_effect import initial_effect
from ..results import Audit, AuditRow
from .dry_run import IMAGE, Call, guess, run_copy, takes_images
from .health import NEVER, PARTLY, ModuleHealth
from .host import below_pretrained
from .sites import Site, attention_sites
from .trial import Loss, try_learning

QUADRATIC = 'O((HW)^2)'
LARGE_MAP_STRIDE = 8


@dataclass
class Observation:
    """What a dry run shows of one module."""

    map: Optional[tuple[int, int]] = None
    runs: int = 0
    memory: int = 0


def audit_model(
    model: nn.Module,
    args: Optional[tuple] = None,
    *,
    pretrained: bool = False,
    losses: Sequence[Loss] = (),
    size: tuple[int, int] = IMAGE,
) -> Audit:
    """Return a report on every attention module in ``model``: inserted ones and native plugins.

    The map sizes and the memory come from one forward pass of a copy without data; whether the
    modules can learn, from a few training steps of another copy.

    Args:
        model: The model.
        args: Arguments of its forward pass; only their sizes matter. By default one image of
            size ``size``; a neck or a head alone, whose input sizes are not known, is not run.
        pretrained: Whether weights are loaded later, as by ``load_from``.
        losses: Losses for these steps, as :func:`~.trial.try_learning` takes them; without any,
            ``can_learn`` tells only what is frozen.
        size: Height and width of the image, by default MMDetection's usual ones.

    Example:
        >>> from torchvision.models import resnet18
        >>> from mmdet_spatialattn import insert_attention
        >>> model = resnet18()
        >>> _ = insert_attention(model, [dict(cfg=dict(type='ECA'), position='stem')])
        >>> x = torch.rand(2, 3, 64, 64)
        >>> report = audit_model(model, (x,), losses=[lambda model: model(x).square().mean()])
        >>> [(row.path, row.map, row.can_learn, row.cost) for row in report]
        [('maxpool.input_spatialattn', (32, 32), 'yes', 'O(HW)')]
    """
    sites = attention_sites(model)
    calls = [[args]] if args is not None else guess(model, size=size) if takes_images(model) else []
    image = _image_size(calls[0][0]) if calls else None
    observed = {path: Observation() for path in sites}
    complete = bool(sites) and any(_observe(model, call, observed) for call in calls)
    trials, failure = _try(model, losses) if sites else ({}, '')
    rows = [
        _row(model, path, site, observed[path], image, trials.get(path))
        for path, site in sites.items()
    ]
    accepted = {path for path, site in sites.items() if site.frozen_ok}
    loaded = {path for path in sites if pretrained or below_pretrained(model, path)}
    warnings = [*_warnings(rows, accepted, loaded, complete), *filter(None, [failure])]
    return Audit(tuple(rows), tuple(warnings), image)


def _try(model: nn.Module, losses: Sequence[Loss]) -> tuple[dict[str, ModuleHealth], str]:
    """Return what a trial of training shows by path, or why there was none."""
    if not losses:
        return {}, ''
    try:
        return try_learning(model, losses), ''
    except Exception as error:
        reason = ' '.join(str(error).split())[:200]
        return {}, (
            f'whether the attention can learn is not known: a training step on random data ended '
            f'with {type(error).__name__}: {reason}'
        )


def _observe(model: nn.Module, call: Call, observed: dict[str, Observation]) -> bool:
    """Run a call, and note the modules that it is the first to reach; return whether it ends."""
    complete = False
    for args in call:
        seen = {path: Observation() for path in observed}
        complete |= run_copy(model, args, partial(_watch, observed=seen)) is None
        for path, observation in seen.items():
            if not observed[path].runs:
                observed[path] = observation
    return complete


def _watch(model: nn.Module, observed: dict[str, Observation]) -> None:
    for path in observed:
        observed[path] = Observation()
        meter = _Meter(observed[path])
        module = model.get_submodule(path)
        module.register_forward_pre_hook(meter.start)
        module.register_forward_hook(meter.stop, always_call=True)


class _Meter:
    """Hooks that measure the maps of a module and what it keeps for the backward pass."""

    def __init__(self, observed: Observation) -> None:
        self.observed = observed

    def start(self, module: nn.Module, args: tuple) -> None:
        x: Tensor = args[0]
        self.observed.runs += 1
        self.observed.map = max(self.observed.map or (0, 0), (x.shape[2], x.shape[3]), key=_area)
        self.images = x.shape[0]
        self.kept = {parameter.untyped_storage()._cdata for parameter in module.parameters()}
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self.keep, lambda kept: kept)
        self.hooks.__enter__()

    def stop(self, module: nn.Module, args: tuple, output: Any) -> None:
        self.hooks.__exit__()

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.kept:
            self.kept.add(storage._cdata)
            self.observed.memory += storage.nbytes() // self.images
        return tensor


def _row(
    model: nn.Module,
    path: str,
    site: Site,
    observed: Observation,
    size: Optional[tuple[int, int]],
    trial: Optional[ModuleHealth],
) -> AuditRow:
    trains = _trains(model, path, site.module)
    effect = initial_effect(site.module, site.channels)
    return AuditRow(
        path=path,
        module=type(site.module).__name__,
        position=site.position,
        places=site.placements,
        channels=site.channels,
        map=observed.map,
        stride=size[0] / observed.map[0] if size and observed.map else None,
        runs=observed.runs,
        trains=trains,
        norm=_norm(model, path, site.module),
        factor=effect.factor,
        change=effect.change,
        cost=getattr(site.module, 'cost', ''),
        memory=observed.memory if observed.map else None,
        can_learn=_can_learn(trains, trial),
    )


def _can_learn(trains: str, trial: Optional[ModuleHealth]) -> str:
    if trains == 'no parameters':
        return trains
    if trains != 'yes':
        return f'no: {trains}'
    if trial is None:
        return 'not tried'
    if trial.verdict == NEVER:
        return f'no: {trial.reason}'
    return f'partly: {trial.reason}' if trial.verdict == PARTLY else 'yes'


def _trains(model: nn.Module, path: str, module: nn.Module) -> str:
    parameters = list(module.parameters())
    if not parameters:
        return 'no parameters'
    if any(parameter.requires_grad for parameter in parameters):
        return 'yes'
    return f'frozen by {_frozen_stages(model, path)}'.removesuffix(' by ')


def frozen_by(model: nn.Module, path: str) -> str:
    """Return the setting that freezes what is inserted at ``path``; empty if nothing does.

    Hosts set ``requires_grad`` of all parameters of a frozen stage when they are built.
    """
    names = path.split('.')
    for depth in range(len(names), -1, -1):
        parameters = list(model.get_submodule('.'.join(names[:depth])).parameters())
        if parameters:
            trained = any(parameter.requires_grad for parameter in parameters)
            return '' if trained else _frozen_stages(model, path)
    return ''


def _frozen_stages(model: nn.Module, path: str) -> str:
    return _setting(model, path, 'frozen_stages', lambda stages: stages >= 0)


def _norm(model: nn.Module, path: str, module: nn.Module) -> str:
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not any(norm.track_running_stats for norm in norms):
        return ''
    by = _setting(model, path, 'norm_eval', bool)
    if not by and not any(parameter.requires_grad for parameter in module.parameters()):
        by = _frozen_stages(model, path)
    return f'initial by {by}' if by else 'batch'


def _setting(model: nn.Module, path: str, name: str, holds: Callable[[Any], bool]) -> str:
    """Return the nearest setting of this name above a module, ``'backbone.norm_eval=True'``."""
    names = path.split('.')
    for depth in range(len(names) - 1, -1, -1):
        part = '.'.join(names[:depth])
        value = getattr(model.get_submodule(part), name, None)
        if isinstance(value, int) and holds(value):
            return '.'.join(filter(None, (part, f'{name}={value}')))
    return ''


def _warnings(
    rows: Sequence[AuditRow], accepted: set[str], loaded: set[str], complete: bool
) -> Iterator[str]:
    def rows_that(holds: Callable[[AuditRow], bool]) -> list[AuditRow]:
        return [row for row in rows if holds(row)]

    if frozen := rows_that(lambda row: row.frozen and row.path not in accepted):
        yield (
            f'{_names(frozen)} stay as they are built, {frozen[0].trains}: leave those stages out, '
            f'set frozen_stages lower, or accept it with frozen_ok=True'
        )
    if dead := rows_that(
        lambda row: not row.frozen and row.can_learn.startswith(('no:', 'partly:'))
    ):
        yield (
            f'{_names(dead)} cannot learn, or not wholly ({dead[0].can_learn}): see whether the '
            f'loss depends on what it returns, and whether its weights are zero where they should '
            f'not be'
        )
    if fixed := rows_that(lambda row: row.norm.startswith('initial') and not row.frozen):
        yield (
            f'BatchNorm in {_names(fixed)} keeps its initial statistics, '
            f'{fixed[0].norm.replace("initial ", "")}: give the module '
            f"norm_cfg=dict(type='GN', num_groups=1) where it takes a norm_cfg, or set "
            f'norm_eval=False'
        )
    if large := rows_that(
        lambda row: (
            row.cost == QUADRATIC and row.stride is not None and row.stride <= LARGE_MAP_STRIDE
        )
    ):
        need = max(row.memory or 0 for row in large) / 2**30
        yield (
            f'{_names(large)} compare all positions of a map at stride {large[0].stride:.0f}, '
            f'{need:.1f} GiB per image and module: place them at stride 16 or more, or limit them '
            f'to windows'
        )
    if loud := rows_that(lambda row: row.path in loaded and row.change > 1e-3):
        yield (
            f'{_names(loud)} change pretrained features from the first step '
            f'({loud[0].initial_effect}): give identity_init=True'
        )
    if idle := rows_that(lambda row: complete and row.runs == 0):
        yield (
            f'{_names(idle)} never ran in a dry run: the module there is not called, or by another '
            f'method than forward'
        )


def _names(rows: Sequence[AuditRow]) -> str:
    more = f' and {len(rows) - 1} more' if len(rows) > 1 else ''
    return f'{rows[0].module} at {rows[0].path}{more}'


def _image_size(args: tuple) -> Optional[tuple[int, int]]:
    image = args[0] if args else None
    if not isinstance(image, Tensor) or image.dim() != 4:
        return None
    return image.shape[2], image.shape[3]


def _area(sides: tuple[int, int]) -> int:
    return sides[0] * sides[1]
