"""Everything that is shown or stored, as frozen, typed results; nothing here computes."""

from .audit import Audit, AuditRow
from .base import Result
from .comparison import ArmResult, Comparison, ComparisonSettings, Verdict
from .cost import Cost
from .dose_response import DoseArm, DoseCurve, DoseEffect, DoseResponse, DoseRun, DoseSettings
from .estimates import Estimate, Interval, Refused
from .evaluation import Evaluation
from .sweep import ArmSummary, Environment, PlanSummary, Run, SweepResult
from .test_set import OVERALL, Stratum, TestSet

__all__ = [
    'OVERALL',
    'ArmResult',
    'ArmSummary',
    'Audit',
    'AuditRow',
    'Comparison',
    'ComparisonSettings',
    'Cost',
    'DoseArm',
    'DoseCurve',
    'DoseEffect',
    'DoseResponse',
    'DoseRun',
    'DoseSettings',
    'Environment',
    'Estimate',
    'Evaluation',
    'Interval',
    'PlanSummary',
    'Refused',
    'Result',
    'Run',
    'Stratum',
    'SweepResult',
    'TestSet',
    'Verdict',
]
