"""The audit: what every attention module in a model is, and what is likely not meant."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..attention.base import GuidedAttention
from ..results import Audit, AuditRow
from .dry_run import guess_args, run_copy
from .host import below_pretrained
from .sites import Site, attention_sites

QUADRATIC = 'O((HW)^2)'
LARGE_MAP_STRIDE = 8


@dataclass
class Seen:
    """What a dry run saw of one module."""

    map: Optional[tuple[int, int]] = None
    runs: int = 0
    memory: int = 0


def audit_model(model: nn.Module, args: Optional[tuple] = None, pretrained: bool = False) -> Audit:
    """Return what every attention module in ``model`` is: inserted ones and native plugins.

    The map sizes and the memory come from one forward of a copy without data.

    Args:
        model: The model.
        args: Arguments of its forward; only sizes matter. By default one image of MMDetection's
            usual size; a neck alone, whose input sizes nobody knows, is not run.
        pretrained: Whether weights are loaded later, as by ``load_from``.

    Example:
        >>> from torchvision.models import resnet18
        >>> from mmdet_spatialattn import insert_attention
        >>> model = resnet18()
        >>> _ = insert_attention(model, [dict(cfg=dict(type='SE'), position='stem')])
        >>> report = audit_model(model, (torch.rand(1, 3, 64, 64),))
        >>> [(row.path, row.map, row.trains, row.cost) for row in report]
        [('maxpool.input_spatialattn', (32, 32), 'yes', 'O(HW)')]
    """
    sites = attention_sites(model)
    known = args is not None
    args = guess_args(model) if args is None else args
    size = _image_size(args)
    seen = {path: Seen() for path in sites}
    complete = False
    if sites and (known or size):
        complete = run_copy(model, args, lambda copied: _watch(copied, seen)) is None
    rows = [_row(model, path, site, seen[path], size) for path, site in sites.items()]
    accepted = {path for path, site in sites.items() if site.frozen_ok}
    loaded = {path for path in sites if pretrained or below_pretrained(model, path)}
    return Audit(tuple(rows), tuple(_warnings(rows, accepted, loaded, complete)), size)


def _watch(model: nn.Module, seen: dict[str, Seen]) -> None:
    for path in seen:
        seen[path] = Seen()
        meter = _Meter(seen[path])
        module = model.get_submodule(path)
        module.register_forward_pre_hook(meter.start)
        module.register_forward_hook(meter.stop, always_call=True)


class _Meter:
    """Notes the maps that a module sees and what it keeps for the backward pass."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def start(self, module: nn.Module, args: tuple) -> None:
        x: Tensor = args[0]
        self.seen.runs += 1
        self.seen.map = max(self.seen.map or (0, 0), (x.shape[2], x.shape[3]), key=_area)
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
            self.seen.memory += storage.nbytes() // self.images
        return tensor


def _row(
    model: nn.Module, path: str, site: Site, seen: Seen, size: Optional[tuple[int, int]]
) -> AuditRow:
    factor, change = measure_init(site.module, site.channels)
    return AuditRow(
        path=path,
        module=type(site.module).__name__,
        position=site.position,
        places=site.placements,
        channels=site.channels,
        map=seen.map,
        stride=size[0] / seen.map[0] if size and seen.map else None,
        runs=seen.runs,
        trains=_trains(model, path, site.module),
        norm=_norm(model, path, site.module),
        factor=factor,
        change=change,
        cost=getattr(site.module, 'cost', ''),
        memory=seen.memory if seen.map else None,
    )


def measure_init(module: nn.Module, channels: int) -> tuple[float, float]:
    """Return by which factor a module scales rectified noise, and how far it changes it.

    The factor is the best in the sense of least squares; the change is relative to the input's
    norm, and 0 for an exact identity.
    """
    module = copy.deepcopy(module).eval()
    like = next(module.parameters(), torch.empty(0))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        x = torch.randn(1, channels, 8, 8).relu().to(like)
        guide: tuple[Tensor, ...] = ()
        if isinstance(module, GuidedAttention):
            guide = (torch.randn(1, module.guide_channels, 4, 4).relu().to(like),)
        x, y = x, module(x, *guide)
    x, y = x.double(), y.double()
    return float((x * y).sum() / (x * x).sum()), float((y - x).norm() / x.norm())


def _trains(model: nn.Module, path: str, module: nn.Module) -> str:
    parameters = list(module.parameters())
    if not parameters:
        return 'no parameters'
    if any(parameter.requires_grad for parameter in parameters):
        return 'yes'
    return f'frozen by {_frozen_stages(model, path)}'.removesuffix(' by ')


def frozen_by(model: nn.Module, path: str) -> str:
    """Return which setting freezes what is inserted at ``path``; empty when none does.

    A host freezes all parameters of a stage, and sets ``requires_grad`` when it is built.
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
    def those(holds: Callable[[AuditRow], bool]) -> list[AuditRow]:
        return [row for row in rows if holds(row)]

    if frozen := those(lambda row: row.frozen and row.path not in accepted):
        yield (
            f'{_names(frozen)} stay as they are built, {frozen[0].trains}: leave those stages out, '
            f'set frozen_stages lower, or accept it with frozen_ok=True'
        )
    if fixed := those(lambda row: row.norm.startswith('initial') and not row.frozen):
        yield (
            f'BatchNorm in {_names(fixed)} keeps its initial statistics, '
            f'{fixed[0].norm.replace("initial ", "")}: give the module '
            f"norm_cfg=dict(type='GN', num_groups=1) where it takes a norm_cfg, or set "
            f'norm_eval=False'
        )
    if large := those(
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
    if loud := those(lambda row: row.path in loaded and row.change > 1e-3):
        yield (
            f'{_names(loud)} change pretrained features from the first step '
            f'({loud[0].initial_effect}): give identity_init=True'
        )
    if idle := those(lambda row: complete and row.runs == 0):
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
