"""Samples for the fused operations, and the comparison of a back end with the reference."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from mmdet_spatialattn.attention.fused import reference

RULES = ('multiply', 'add', 'max', 'amplify_product', 'amplify_sum')
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def sample(
    size: tuple[int, ...], layout=torch.contiguous_format, dtype=torch.float32, device='cpu'
):
    """Return a map with many ties, as a ReLU leaves them, both gates, alpha, and a gradient."""
    generator = torch.Generator().manual_seed(sum(size))

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    n, c, h, w = size
    x = noise(*size).relu().contiguous(memory_format=layout)
    gates = noise(n, c, 1, 1).sigmoid(), noise(n, 1, h, w).sigmoid()
    return x, *gates, torch.tensor(0.3, device=device), noise(*size)


def calls(
    x, channel, spatial, alpha, gradient, rules=RULES
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the name and the arguments of every operation; without rules, one case of scaling."""
    for maximum in (True, False):
        yield 'statistics_of_map', (x, maximum)
    mean, *kept = reference.statistics_of_map(x, True)
    yield 'statistics_of_map_backward', (x, *kept, mean + 1, mean - 2)
    for gate in (channel, None):
        mean, *kept = reference.statistics_of_channels(x, gate)
        yield 'statistics_of_channels', (x, gate)
        yield 'statistics_of_channels_backward', (x, gate, *kept, mean + 1, mean - 2)
    cases = [((channel, spatial), 'multiply', None)]
    if rules:
        cases = [
            *product([(channel, spatial)], rules, (alpha, None)),
            *product([(channel, None), (None, spatial)], ['multiply'], (alpha, None)),
        ]
    for gates, rule, blend in cases:
        yield 'scale', (x, *gates, rule, blend)
        yield 'scale_backward', (gradient, x, *gates, rule, blend)


def assert_equal_to_reference(backend: Any, name: str, arguments: tuple[Any, ...]) -> None:
    """Check all results of an operation, in value, shape and type."""
    actual = getattr(backend, name)(*arguments)
    expected = getattr(reference, name)(*arguments)
    tolerance = 1e-5 if arguments[0].dtype == torch.float32 else 1e-2
    results = zip(actual, expected) if isinstance(actual, tuple) else [(actual, expected)]
    for ours, theirs in results:
        largest = float(theirs.abs().max()) if theirs.numel() else 0.0
        torch.testing.assert_close(
            ours, theirs, rtol=2 * tolerance, atol=tolerance * largest, msg=f'{name}: {{}}'.format
        )
