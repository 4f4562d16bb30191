"""Experiments: from a plan of arms and seeds to a verdict."""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .forecast import ArmForecast, Forecast
    from .metafile import read_metafile, write_metafile
    from .plan import Arm, Plan, load_plan, until_clear
    from .progress import SweepProgress
    from .proposal import Proposal, propose, try_attention
    from .sweep import CheckedSweep, check, collect_sweep, dry_run, run_sweep
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            'Arm': 'plan',
            'ArmForecast': 'forecast',
            'CheckedSweep': 'sweep',
            'Forecast': 'forecast',
            'Plan': 'plan',
            'Proposal': 'proposal',
            'SweepProgress': 'progress',
            'check': 'sweep',
            'collect_sweep': 'sweep',
            'dry_run': 'sweep',
            'load_plan': 'plan',
            'propose': 'proposal',
            'read_metafile': 'metafile',
            'run_sweep': 'sweep',
            'try_attention': 'proposal',
            'until_clear': 'plan',
            'write_metafile': 'metafile',
        },
    )

__all__ = [
    'Arm',
    'ArmForecast',
    'CheckedSweep',
    'Forecast',
    'Plan',
    'Proposal',
    'SweepProgress',
    'check',
    'collect_sweep',
    'dry_run',
    'load_plan',
    'propose',
    'read_metafile',
    'run_sweep',
    'try_attention',
    'until_clear',
    'write_metafile',
]
