"""One result of every kind."""

from mmdet_spatialattn.results import (
    ArmResult,
    ArmSummary,
    Audit,
    AuditRow,
    Bounds,
    ClassSize,
    Comparison,
    ComparisonSettings,
    Cost,
    DoseArm,
    DoseCurve,
    DoseEffect,
    DoseResponse,
    DoseRun,
    DoseSettings,
    Environment,
    Estimate,
    Evaluation,
    Interval,
    PlanSummary,
    Power,
    Refused,
    Run,
    RunHealth,
    Stratum,
    SweepResult,
    TestSet,
    Verdict,
)
from mmdet_spatialattn.results.power import UnitVariance

REFUSED = Refused("'crowded': 12 objects; a conclusion needs 30")
INTERVAL = Interval(0.297, 0.28, 0.31, 0.0071, 99.0)
ESTIMATE = Estimate(0.012, 0.004, 0.02, 0.0041, 9.5, 0.01, 0.02, 0.011, Bounds(0.001, 0.023))
STRATA = (
    Stratum('clean', 400, 90, {'small': 300, 'medium': 90, 'large': 10}, True),
    Stratum('crowded', 12, 8, {'small': 12, 'medium': 0, 'large': 0}, False, groups=4),
)


def evaluation(source):
    return Evaluation(
        source=source,
        strata=STRATA,
        metrics={
            'overall': {'AP': 0.297, 'AP50': 0.45, 'APl': Refused('no objects')},
            'clean': {'AP': 0.31, 'AP50': 0.47, 'AP_lift': 0.01},
            'crowded': {'AP': 0.11, 'AP50': 0.2, 'AP_lift': Refused('no objects')},
        },
        errors={
            scope: {'class': 3, 'missed': 5} for scope in ('overall', 'clean', 'crowded')
        },
        notes=('one of the images reaches the cap',),
    )  # fmt: skip


def arm(*sources):
    runs = tuple(map(evaluation, sources))
    errors = {scope: {'class': 3.0, 'missed': 5.0} for scope in runs[0].errors}
    return ArmResult(runs[0].metrics, errors, runs, classes={'cell': INTERVAL, 'rare': REFUSED})


COMPARISON = Comparison(
    test_set=TestSet('val.json', 100, 412, 3, 10),
    settings=ComparisonSettings(
        baseline='baseline', iou_type='bbox', max_detections=(1, 10, 100), engine='auto',
        n_boot=1000, seed=0, level=0.95, power=0.8, measure='cover', cuts=(0.1, 0.3),
    ),
    strata=STRATA,
    arms={'baseline': arm('a0.json', 'a1.json'), 'cbam': arm('b0.json', 'b1.json')},
    effects={
        'cbam': {
            'overall': {'AP': ESTIMATE, 'AP50': ESTIMATE},
            'clean': {'AP': ESTIMATE, 'AP50': ESTIMATE},
            'crowded': {'AP': REFUSED, 'AP50': REFUSED},
        }
    },
    error_effects={
        'cbam': {
            'overall': {'class': ESTIMATE, 'missed': ESTIMATE},
            'clean': {'class': ESTIMATE, 'missed': ESTIMATE},
            'crowded': {'class': REFUSED, 'missed': REFUSED},
        }
    },
    clutter_gain={'cbam': {'plain': {'AP': REFUSED}, 'size_adjusted': {'AP': REFUSED}}},
    verdicts={'cbam': Verdict('helps everywhere alike', 'Helps everywhere alike: AP +1.2.')},
    notes=("nothing is concluded from 'crowded': 12 objects",),
    classes=(ClassSize('cell', 400, 90), ClassSize('rare', 12, 8)),
    class_effects={'cbam': {'cell': ESTIMATE, 'rare': REFUSED}},
)  # fmt: skip

DOSE_RUN = DoseRun('a0.json', (0.3, 0.2), 0.2, Refused('undefined'))
DOSE_RESPONSE = DoseResponse(
    field='level', doses=(0, 2.5), images=(50, 50), objects=(206, 206),
    arms={
        'baseline': DoseArm(DoseCurve((INTERVAL, REFUSED), INTERVAL, REFUSED), (DOSE_RUN,)),
        'cbam': DoseArm(DoseCurve((INTERVAL, INTERVAL), INTERVAL, INTERVAL), (DOSE_RUN,)),
    },
    effects={'cbam': DoseEffect((ESTIMATE, REFUSED), ESTIMATE, ESTIMATE)},
    settings=DoseSettings('val.json', 'baseline', 'bbox', 'auto', 1000, 0, 0.95, 'scene'),
    notes=(),
)  # fmt: skip

AUDIT = Audit(
    modules=(
        AuditRow(
            path='backbone.layer2.0.spatialattn', module='CBAM', position='after_conv2', places=1,
            channels=128, map=(20, 20), stride=8.0, runs=1, trains='yes', norm='batch',
            factor=0.24, change=0.8, cost='O(HW)', memory=2**21,
        ),
    ),
    warnings=('use identity_init=True in a pretrained detector',),
    size=(160, 160),
)  # fmt: skip

COST = Cost(
    parameters=10_000, flops=2_000_000_000, memory=3_000_000, latency=0.014, latency_ratio=1
)
ENVIRONMENT = Environment({'torch': '2.14.1'}, {'processor': 'test', 'cores': 2, 'memory': None})
POWER = Power(
    metric='AP', scope='overall', n_arms=3, n_units=100, level=0.975, images=1e-6,
    images_shared=2e-7,
    seeds=UnitVariance(4e-6, 1e-7, 1e-6), bases=UnitVariance(0, 0, 0), n_bases=1,
    curve=((2, 0.07), (3, 0.009), (5, 0.004)),
)  # fmt: skip
HEALTH = RunHealth('trained', '', 0.3, (-0.2, 0.1), 0.05, 0.0, None)
RUN = Run('cbam', 1, 'finished', ENVIRONMENT, health=HEALTH)

SWEEP = SweepResult(
    plan=PlanSummary(
        name='demo', baseline='baseline', seeds=(0, 1), overrides={'train_cfg.max_epochs': 3},
        arms={
            'baseline': ArmSummary('configs/a.py', {}, (0, 1)),
            'cbam': ArmSummary('configs/b.py', {'model.x': [1, 2]}, (0, 1)),
        },
    ),
    annotations='../scenes/val.json',
    images='../scenes/images',
    comparison=COMPARISON,
    dose=DOSE_RESPONSE,
    costs={'baseline': COST, 'cbam': COST.without_times('measured times stand in cost.json')},
    audits={'baseline': Audit(()), 'cbam': AUDIT},
    differences={'baseline': '', 'cbam': '+a'},
    runs=(Run('baseline', 0), Run('baseline', 1, 'failed'), Run('cbam', 0), RUN),
    boxes=COMPARISON,
)  # fmt: skip

EXAMPLES = [
    REFUSED, INTERVAL, ESTIMATE, evaluation('a0.json'), COMPARISON, DOSE_RESPONSE, AUDIT, COST,
    HEALTH, POWER, RUN, SWEEP,
]  # fmt: skip
