"""Everything that is shown or stored, as frozen, typed results; nothing here computes."""

from .audit import Audit, AuditRow
from .base import Result
from .comparison import ArmResult, Comparison, ComparisonSettings, Look, Question, Verdict
from .cost import Cost
from .dose_response import DoseArm, DoseCurve, DoseEffect, DoseResponse, DoseRun, DoseSettings
from .estimates import Bounds, Estimate, Interval, Refused
from .evaluation import Evaluation
from .health import RunHealth
from .initial_effect import InitialEffect
from .power import Power
from .sweep import ArmSummary, Environment, PlanSummary, Run, SweepResult
from .test_set import OVERALL, ClassSize, Stratum, TestSet

__all__ = [
    'OVERALL',
    'ArmResult',
    'ArmSummary',
    'Audit',
    'AuditRow',
    'Bounds',
    'ClassSize',
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
    'InitialEffect',
    'Interval',
    'Look',
    'PlanSummary',
    'Power',
    'Question',
    'Refused',
    'Result',
    'Run',
    'RunHealth',
    'Stratum',
    'SweepResult',
    'TestSet',
    'Verdict',
]
