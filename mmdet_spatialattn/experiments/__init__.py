"""Arms x seeds: plan, launch, collect."""

from .plan import Arm, Plan, Run, load_plan

__all__ = ['Arm', 'Plan', 'Run', 'load_plan']
