"""What a comparison can be expected to see before any run of it: by the noise of others.

The variance components of the sweeps that this repository has run lie in ``pilots.json``
(``python tools/dev/pilots.py``). Between data sets they differ several times over; hence a range.
"""

import functools
from pathlib import Path
from typing import NamedTuple

from ..io import read_json
from ..results import Power
from .paired import LEVEL
from .power import Design, detectable, stored_components

PILOTS = Path(__file__).with_suffix('.json')


class Foreseen(NamedTuple):
    """Smallest effects that are found four times in five, with the noise of several pilots.

    Attributes:
        low: With the noise of the quietest pilot, as a fraction: 0.01 is one point of AP.
        high: With that of the noisiest.
        pilots: Their names.
    """

    low: float
    high: float
    pilots: tuple[str, ...]


def foreseen(
    scope: str, *, seeds: int, n_arms: int, n_units: int, n_questions: int = 2
) -> Foreseen:
    """Return what arms that share a start, and their seeds, can be expected to show in AP.

    Args:
        scope: ``'overall'``, or ``'crowded'`` for the most cluttered stratum.
        seeds: Seeds of every arm, two at least.
        n_arms: Arms that are compared with the baseline.
        n_units: Test images, or groups of images, that hold objects of the scope.
        n_questions: Primary questions.
    """
    powers = _pilots()[scope]
    level = 1 - (1 - LEVEL) / n_questions
    design = Design(seeds, n_arms, n_units=n_units, level=level)
    effects = [detectable(stored_components(power), design) for power in powers.values()]
    return Foreseen(min(effects), max(effects), tuple(powers))


@functools.lru_cache(maxsize=1)
def _pilots() -> dict[str, dict[str, Power]]:
    """Return the stored components, by scope and name of the pilot."""
    return {
        scope: {name: Power.from_dict(data) for name, data in powers.items()}
        for scope, powers in read_json(PILOTS).items()
    }
