"""The bootstrap over images, or over groups of images that are not independent."""

from collections.abc import Hashable, Mapping
from typing import Callable, TypeVar

import numpy as np

from .curve_kernel import LANES

Statistic = Callable[[np.ndarray], np.ndarray]
"""A function of the weights of :func:`draw_weights` that returns ``(..., LANES)``."""


Key = TypeVar('Key', bound=Hashable)


def no_step() -> None:
    """Report no progress."""


def resample(
    statistics: Mapping[Key, Statistic],
    groups: np.ndarray,
    *,
    n_boot: int,
    seed: int,
    map_fn: Callable = map,
    on_step: Callable[[], None] = no_step,
) -> dict[Key, np.ndarray]:
    """Compute statistics of the data and of its bootstrap replicates.

    Args:
        statistics: The statistics by key.
        groups: ``(images,)``, the index of each image's group.
        n_boot: Number of replicates.
        seed: Seed of the bootstrap.
        map_fn: Maps a function over the blocks of replicates; the results do not depend on it.
        on_step: Called after every block, ``n_blocks(n_boot)`` times.

    Returns:
        By key ``(..., 1 + n_boot)``: the observed value, followed by its replicates.
    """

    def compute(block: int) -> list[np.ndarray]:
        weights = draw_weights(groups, seed, block)
        return [statistic(weights) for statistic in statistics.values()]

    blocks = []
    for values in map_fn(compute, range(n_blocks(n_boot))):
        blocks.append(values)
        on_step()
    joined = [np.concatenate(parts, axis=-1)[..., : 1 + n_boot] for parts in zip(*blocks)]
    return dict(zip(statistics, joined))


def n_blocks(n_boot: int) -> int:
    """Return the number of blocks that hold the observed data and the replicates."""
    return -(-(1 + n_boot) // LANES)


def draw_weights(groups: np.ndarray, seed: int, block: int) -> np.ndarray:
    """Return how often each image occurs in the replicates of a block, ``(images, LANES)`` int32.

    The very first lane is the observed data, in which each image occurs once. A replicate draws as
    many groups as there are, each with all of its images (the cluster bootstrap; Davison and
    Hinkley 1997, Sec. 3.8). A block depends on the arguments alone, whatever thread computes it.

    Args:
        groups: ``(images,)``, the index of each image's group.
        seed: Seed of the bootstrap.
        block: Index of the block of replicates.
    """
    n_groups = int(groups.max()) + 1
    rng = np.random.default_rng([seed, block])
    drawn = rng.integers(0, n_groups, (LANES, n_groups))
    counts = np.stack([np.bincount(row, minlength=n_groups) for row in drawn], axis=1)
    if block == 0:
        counts[:, 0] = 1
    return counts.astype(np.int32)[groups]
