"""Parameters, FLOPs, latency and peak memory of models measured side by side."""

import random
import statistics
import time
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ..results import Cost


def measure_costs(
    models: Mapping[str, nn.Module],
    forward: Callable[[nn.Module], Any],
    baseline: str,
    *,
    rounds: int = 20,
) -> dict[str, Cost]:
    """Measure models side by side; in every round each model runs once, in random order.

    Args:
        models: The models by name, in the mode (training or evaluation) that is to be measured.
        forward: Runs one model once, such as ``lambda model: model(x)``.
        baseline: Name of the model that latencies are divided by.
        rounds: Number of timed rounds, after two that warm up.

    Returns:
        The costs by name, in the order of ``models``.
    """
    times: dict[str, list[float]] = {name: [] for name in models}
    order = list(models)
    shuffle = random.Random(0).shuffle
    with torch.no_grad():
        for _ in range(rounds + 2):
            shuffle(order)
            for name in order:
                times[name].append(_time(forward, models[name]))
        return {
            name: Cost(
                parameters=sum(p.numel() for p in model.parameters()),
                flops=_flops(forward, model),
                latency=statistics.median(times[name][2:]),
                latency_ratio=statistics.median(
                    t / t_base for t, t_base in zip(times[name][2:], times[baseline][2:])
                ),
                memory=peak_memory(partial(forward, model)),
            )
            for name, model in models.items()
        }


def peak_memory(function: Callable[[], Any]) -> int:
    """Return the largest number of bytes held at one moment by tensors that a function makes.

    Storages are counted as PyTorch allocates them, on any device, so that the number repeats to
    the byte; the workspace of a kernel is not included.
    """
    tracker = _StorageTracker()
    with tracker:
        function()
    return tracker.peak


class _StorageTracker(TorchDispatchMode):
    """Tracks the storages of all results of operators until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        inputs = {_storage_key(leaf) for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if _is_tensor(leaf) and _storage_key(leaf) not in inputs:
                self._add(leaf.untyped_storage())
        self.peak = max(self.peak, sum(self.live.values()))
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.live:
            self.live[key] = storage.nbytes()
            weakref.finalize(storage, self.live.pop, key, None)


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor)


def _storage_key(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _flops(forward: Callable[[nn.Module], Any], model: nn.Module) -> int:
    # The counter misses the fused attention of the CPU; the plain one has matrix products.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        forward(model)
    return counter.get_total_flops()


def _time(forward: Callable[[nn.Module], Any], model: nn.Module) -> float:
    synchronise = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    synchronise()
    start = time.perf_counter()
    forward(model)
    synchronise()
    return time.perf_counter() - start
