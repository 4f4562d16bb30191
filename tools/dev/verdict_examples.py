"""The worked examples of the page "How to read the verdict": invented effects, and the sentence.

The sentences come from :func:`mmdet_spatialattn.comparison.verdict.judge`, so that the page says
what the package says. ``markdown(NAME)`` is the generated block ``verdict NAME``.
"""

from collections.abc import Mapping
from types import MappingProxyType

from mmdet_spatialattn.comparison.verdict import Evidence, judge
from mmdet_spatialattn.insertion import Health, ModuleHealth
from mmdet_spatialattn.results import OVERALL, Bounds, Estimate
from mmdet_spatialattn.tables import markdown_table, points

BASELINE = MappingProxyType({OVERALL: 0.44, 'clean': 0.55, 'touching': 0.45, 'crowded': 0.25})
"""AP of the baseline, by scope."""

UNTRAINED = Health(
    (ModuleHealth('neck.output0', 'CBAM', ('weight', 'alpha'), frozen=('weight', 'alpha')),)
)


def _effect(value: float, reach: float) -> Estimate:
    """Return an effect of ``value`` points whose simultaneous interval is ``value ± reach``."""
    bounds = Bounds((value - reach) / 100, (value + reach) / 100)
    return Estimate(
        value / 100, bounds.low, bounds.high, reach / 200, 99.0, 0.5, 0.5, reach / 70, bounds
    )


def _evidence(
    overall: tuple[float, float],
    clean: tuple[float, float],
    touching: tuple[float, float],
    crowded: tuple[float, float],
    *,
    gain: float,
    baseline: Mapping[str, float] = BASELINE,
    n_trainings: int = 3,
    **rest,
) -> Evidence:
    """Return evidence; an effect is its value and reach in points, ``gain`` the gain's reach."""
    effects = dict(zip(BASELINE, (overall, clean, touching, crowded)))
    return Evidence(
        effects={scope: _effect(*effect) for scope, effect in effects.items()},
        gain=_effect(crowded[0] - clean[0], gain),
        baseline=baseline,
        n_trainings=n_trainings,
        **rest,
    )


GOOD = ((1.2, 0.6), (0.3, 0.7), (1.1, 0.8), (2.4, 0.9))
SMALL = ((0.05, 0.2), (0.02, 0.25), (0.06, 0.25), (-0.04, 0.3))
EXAMPLES = {
    'helps-in-clutter': _evidence(*GOOD, gain=1.0),
    'helps-alike': _evidence((1.5, 0.6), (1.6, 0.7), (1.5, 0.8), (1.4, 0.9), gain=1.1),
    'helps-less': _evidence((3.0, 0.8), (4.1, 0.9), (2.6, 0.9), (1.0, 0.8), gain=1.2),
    'helps-somewhere': _evidence((0.5, 0.6), (0.1, 0.7), (1.4, 0.8), (0.6, 1.0), gain=1.2),
    'hurts': _evidence((-1.6, 0.7), (-0.7, 0.9), (-1.5, 0.8), (-2.2, 1.0), gain=1.8),
    'hurts-less': _evidence((-2.0, 0.6), (-3.1, 0.7), (-2.0, 0.8), (-0.9, 0.8), gain=1.1),
    'mixed': _evidence((0.1, 0.6), (1.4, 0.7), (0.2, 0.8), (-1.6, 0.9), gain=1.1),
    'small': _evidence((0.12, 0.08), (0.1, 0.09), (0.14, 0.11), (0.15, 0.12), gain=0.15),
    'equivalent': _evidence(*SMALL, gain=0.4),
    'inconclusive': _evidence(
        (0.6, 1.1), (0.4, 1.2), (0.7, 1.3), (1.1, 1.6), gain=1.9, more_seeds=5
    ),
    'one-training': _evidence(*GOOD, gain=1.0, n_trainings=1),
    'never-trained': _evidence(
        *SMALL, gain=0.4, withheld=f"this arm's attention never trained: {UNTRAINED.reason}"
    ),
    'weak-baseline': _evidence(
        *GOOD, gain=1.0, baseline={OVERALL: 0.021, 'clean': 0.03, 'touching': 0.02, 'crowded': 0.01}
    ),
    'identical': _evidence(
        (0.0, 0.1), (0.0, 0.1), (0.0, 0.1), (0.0, 0.1), gain=0.1, identical=True
    ),
}


def markdown(name: str) -> str:
    """Return the numbers of an example as a table, and its sentence as a quotation."""
    evidence = EXAMPLES[name]
    header = ['', *evidence.effects, 'clutter gain']
    baseline = [points(value) for value in evidence.baseline.values()]
    effects = [*evidence.effects.values(), evidence.gain]
    rows = [['AP of the baseline', *baseline, ''], ['effect of the arm', *map(str, effects)]]
    return f'{markdown_table(header, rows)}\n\n> {judge(evidence).sentence}'
