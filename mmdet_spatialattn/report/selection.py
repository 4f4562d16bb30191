"""Selection of the images that a page shows."""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np


def most_different(
    change: np.ndarray, number: int, group: Optional[Sequence[Any]] = None
) -> list[int]:
    """Return the images with the largest changes, half of them negative where there are enough.

    Args:
        change: Change of each image, ``(I,)``; images without a change are never returned.
        number: Largest number of images to return.
        group: Group of each image, ``(I,)``. At most one image of a group is returned, for example
            of several renderings of one scene.

    Returns:
        The images with a negative change, the largest first, then those with a positive one.

    Example:
        >>> most_different(np.array([0, -3, 2, -1, -2]), 4, group='abcdb')
        [1, 3, 2]
    """
    selected: list[int] = []
    groups = set()
    falling, rising = np.argsort(change, kind='stable'), np.argsort(-change, kind='stable')
    n_rising = min(number // 2, int((change > 0).sum()))
    for order, sign, room in ((falling, -1, number - n_rising), (rising, 1, n_rising)):
        for i in order.tolist():
            key = i if group is None else group[i]
            if room == 0 or sign * change[i] <= 0:
                break
            if key not in groups:
                groups.add(key)
                selected.append(i)
                room -= 1
    return selected
