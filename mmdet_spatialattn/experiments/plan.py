"""The plan of a sweep: its arms, their seeds, and how they are compared.

A plan is a Python, YAML or JSON file, which is read as MMEngine reads configs::

    baseline = 'baseline'
    seeds = [0, 1, 2]
    overrides = dict(data_root='data/my_set')  # for all arms
    question = dict(metric='AP', scope='crowded')  # gets the whole error budget
    arms = dict(
        baseline='../my_set/retinanet.py',
        wide=dict(config='../my_set/retinanet.py', overrides={'model.backbone.depth': 101}),
        cbam=dict(
            config='../my_set/retinanet.py',
            attention=dict(neck=dict(cfg=dict(type='CBAM'), position='output')),
        ),
    )

Paths of configs are relative to the plan; ``mmdet::PATH`` is a config that MMDetection ships, and
``mmdet_spatialattn::PATH`` one of this package. ``overrides`` change a config as ``--cfg-options``
does. Names that begin with ``_`` are not read.

With a common start all arms are fine-tuned from one trained detector, with the same seeds::

    start = dict(arm='baseline', epochs=12)  # or the path of a checkpoint
    fine_tuning = {'train_cfg.max_epochs': 1}  # of all arms, but not of the start

Such a plan asks what inserting attention *adds* to a trained detector, and sees far smaller effects
than one that trains every arm from scratch.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from ..comparison import sequential
from ..compat.configs import config_path
from ..errors import MissingFile, UserError, did_you_mean, error_prefix
from ..evaluation.metrics import max_detections_up_to
from ..io import PathLike
from ..results import Run
from ..results.sweep import PLACEBO, START, WAITING
from .start import JITTER, Start, read_start

LOOKS = (3, 5, 8, 12)
"""Numbers of seeds at which arms are compared where seeds are added until it is clear."""

FOLDER_NAME = re.compile(r'[\w][\w.+-]*')


@dataclass(frozen=True)
class Arm:
    """One variant in a comparison.

    Attributes:
        name: Name of the arm, and of its folder.
        config: Path of its config.
        attention: Attention that is inserted into the detector: by the name of a part of
            ``model``, such as ``'backbone'``, the entries of ``WithAttention``. The optimiser then
            treats it as ``attention_paramwise`` says.
        overrides: Changes of the config, dotted key to value.
        seeds: Seeds of its runs, where they differ from the plan's: a second baseline needs other
            seeds than the first.
        jitter: Relative size of the noise on the weights of its start; see :class:`JitterWeights`.
    """

    name: str
    config: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    attention: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    seeds: Optional[tuple[int, ...]] = None
    jitter: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What a sweep trains, and how it compares the arms.

    Attributes:
        name: Name of the plan, and of its folder; by default the name of the file.
        arms: The arms, in the order of the tables.
        baseline: Name of the arm that the others are compared with.
        seeds: Seeds of the runs; every arm is trained once per seed.
        control: Name of the arm with as many parameters and no attention, if there is one.
        strata: Clutter measure and cut points, such as ``'cover:0.1,0.3'``.
        dose: Field of the annotation file's images that holds the amount of clutter, such as
            ``'level'``; ``None`` for no dose-response.
        severities: Severities of clutter injection, 1 to 5, at which the test set is written again;
            ``dose`` and ``group_by`` follow from it. Effects and strata are those of the images
            without distractors.
        group_by: Field of the images, such as ``'scene'``; the bootstrap draws all images with the
            same value together.
        n_boot: Number of bootstrap replicates.
        max_detections: Detections per image that count, the highest scores first (COCO's last
            ``maxDets``); more than 100 where images hold more objects.
        overrides: Changes of every arm's config; those of an arm take precedence.
        start: The common start of all runs; ``None`` to train from scratch.
        fine_tuning: Changes of every arm's config where there is a common start; they do not touch
            the training of the start.
        questions: Primary questions, each a metric and a scope; they share the error budget. By
            default the AP overall and in the most cluttered stratum.
        delta: Effects of less than so many points of AP count as equivalent.
        looks: Numbers of seeds at which the arms are compared while seeds are added, until every
            arm is settled or the last look is taken; empty to run all seeds.
    """

    name: str
    arms: tuple[Arm, ...]
    baseline: str
    seeds: tuple[int, ...]
    control: Optional[str] = None
    strata: str = 'cover:0.1,0.3'
    dose: Optional[str] = None
    severities: tuple[int, ...] = ()
    group_by: Optional[str] = None
    n_boot: int = 1000
    max_detections: int = 100
    overrides: Mapping[str, Any] = field(default_factory=dict)
    start: Optional[Start] = None
    fine_tuning: Mapping[str, Any] = field(default_factory=dict)
    questions: tuple[tuple[str, str], ...] = ()
    delta: float = 0.5
    looks: tuple[int, ...] = ()

    @property
    def estimand(self) -> str:
        """``'added'``: what attention adds to a trained detector; ``'trained'``: from scratch."""
        return 'trained' if self.start is None else 'added'

    @property
    def start_runs(self) -> list[Run]:
        """The runs that train the common start; none where it is given or there is none."""
        if self.start is None or self.start.arm is None:
            return []
        return [Run(START, seed, WAITING) for seed in self.start.seeds]

    @property
    def runs(self) -> list[Run]:
        """All runs, seed by seed, so that an interrupted sweep has complete comparisons."""
        rounds = itertools.zip_longest(*(self.runs_of(arm) for arm in self.arms))
        return [run for runs in rounds for run in runs if run is not None]

    def runs_of(self, arm: Arm) -> list[Run]:
        """Return the runs of one arm."""
        several = self.start is not None and len(self.start.seeds) > 1
        bases = self.start.seeds if self.start is not None and several else (None,)
        seeds = arm.seeds or self.seeds
        return [Run(arm.name, seed, WAITING, base=base) for seed in seeds for base in bases]


def load_plan(path: PathLike) -> Plan:
    """Read and check a plan: a file, or ``PACKAGE::PATH`` for one that a package ships.

    Raises:
        MissingFile: The plan, or the config of an arm, does not exist.
        UserError: It is not a plan: a key is unknown or missing, the baseline or the control is
            unknown, a name cannot be a folder's, or seeds repeat.
    """
    path = config_path(path)
    if not path.is_file():
        raise MissingFile(f'no plan at {path}')
    try:
        values = Config.fromfile(path)._cfg_dict.to_dict()
    except Exception as error:  # whatever the plan's own code raises
        raise UserError(f'plan {path} cannot be read: {type(error).__name__}: {error}') from error
    values = {key: value for key, value in values.items() if not key.startswith('_')}
    if 'question' in values:
        values['questions'] = _questions(path, values.pop('question'))
    known = Plan.__dataclass_fields__
    for key in values:
        if key not in known:
            raise UserError(
                f"plan {path}: unknown key '{key}'{did_you_mean(key, known)} "
                f'(known: {", ".join(known)})'
            )
    for key in ('arms', 'baseline', 'seeds'):
        if not values.get(key):
            raise UserError(f"plan {path}: '{key}' is missing")
    _check_types(path, values)
    arms = tuple(_arm(path, name, value) for name, value in values.pop('arms').items())
    names = [arm.name for arm in arms]
    for role in ('baseline', 'control'):
        name = values.get(role)
        if name is not None and name not in names:
            raise UserError(
                f"plan {path}: unknown {role} '{name}'{did_you_mean(name, names)} "
                f'(arms: {", ".join(names)})'
            )
    values.update(arms=arms, seeds=_seeds(f'plan {path}', values['seeds']))
    delta = values.get('delta', Plan.delta)
    if type(delta) not in (int, float) or not delta > 0:
        raise UserError(f'plan {path}: delta must be a number of AP points above 0, got {delta!r}')
    with error_prefix(f'plan {path}'):
        max_detections_up_to(values.get('max_detections', Plan.max_detections))
    if 'start' in values:
        values['start'] = read_start(values['start'], path, names)
    if values.get('start') is not None:
        values['arms'] = _with_placebo(path, values['arms'], values['baseline'])
    elif values.get('fine_tuning'):
        raise UserError(f"plan {path}: 'fine_tuning' needs a 'start'; give one, or use 'overrides'")
    if 'severities' in values:
        values.update(_severities(path, values))
    values.setdefault('name', path.stem)
    _check_folder_name(path, values['name'])
    with error_prefix(f'plan {path}'):
        return with_looks(Plan(**values), values.get('looks', ()))


_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    'arms': ((dict,), 'configs by name'),
    'name': ((str,), 'a text'),
    'baseline': ((str,), 'the name of an arm'),
    'control': ((str, type(None)), 'the name of an arm'),
    'strata': ((str,), "a text such as 'cover:0.1,0.3'"),
    'dose': ((str, type(None)), 'the name of a field'),
    'group_by': ((str, type(None)), 'the name of a field'),
    'n_boot': ((int,), 'a whole number'),
    'overrides': ((dict,), 'changes by dotted key'),
    'fine_tuning': ((dict,), 'changes by dotted key'),
    'looks': ((list, tuple), 'a list of numbers of seeds'),
}


def _check_types(path: Path, values: Mapping[str, Any]) -> None:
    for key, (types, expected) in _TYPES.items():
        value = values.get(key)
        if key in values and (not isinstance(value, types) or isinstance(value, bool)):
            raise UserError(f'plan {path}: {key} must be {expected}, got {value!r:.60}')


def until_clear(plan: Plan, *, max_seeds: int = LOOKS[-1], delta: Optional[float] = None) -> Plan:
    """Return a plan that adds seeds until every arm is settled.

    Args:
        plan: The plan; it may have fewer seeds.
        max_seeds: Number of seeds at the last look.
        delta: Effects of less than so many points of AP count as equivalent; by default the plan's.

    Raises:
        UserError: ``max_seeds`` or ``delta`` is too small, or an arm has seeds of its own.
    """
    if delta is not None:
        plan = replace(plan, delta=delta)
    return with_looks(plan, (*(look for look in LOOKS if look < max_seeds), max_seeds))


def with_looks(plan: Plan, looks: Sequence[int]) -> Plan:
    """Return a plan that is read at these numbers of seeds, with as many seeds as that takes."""
    if not looks:
        return plan
    sequential.Plan(looks=tuple(looks), delta=plan.delta / 100)  # checks them
    for arm in plan.arms:
        if arm.seeds is not None:
            raise UserError(
                f"arm '{arm.name}' has seeds of its own; where seeds are added, runs are compared "
                "seed by seed, so all arms share the plan's seeds"
            )
    further = (seed for seed in itertools.count() if seed not in plan.seeds)
    missing = itertools.islice(further, max(looks[-1] - len(plan.seeds), 0))
    return replace(plan, looks=tuple(looks), seeds=(*plan.seeds, *missing)[: looks[-1]])


def _with_placebo(path: Path, arms: tuple[Arm, ...], baseline: str) -> tuple[Arm, ...]:
    """Return the arms of a plan with a common start, with a placebo arm at the end."""
    for arm in arms:
        if arm.seeds is not None:
            raise UserError(
                f"plan {path}: arm '{arm.name}' has seeds of its own; with a common start runs are "
                "compared seed by seed, so all arms share the plan's seeds"
            )
        if arm.name in (START, PLACEBO):
            raise UserError(
                f"plan {path}: the name '{arm.name}' is taken in a plan with a common start; give "
                'the arm another'
            )
    (base,) = (arm for arm in arms if arm.name == baseline)
    return (*arms, replace(base, name=PLACEBO, jitter=JITTER))


def _arm(path: Path, name: str, value: Any) -> Arm:
    _check_folder_name(path, name)
    if isinstance(value, str):
        value = dict(config=value)
    known = {'config', 'attention', 'overrides', 'seeds'}
    if not isinstance(value, dict) or set(value) - known or 'config' not in value:
        raise UserError(
            f"plan {path}: arm '{name}' must be the path of a config, or "
            f'dict(config=..., attention=..., overrides=..., seeds=...), got {value!r}'
        )
    if not isinstance(value['config'], str) or '\0' in value['config']:
        raise UserError(
            f"plan {path}: arm '{name}': config must be a path, got {value['config']!r:.60}"
        )
    with error_prefix(f"plan {path}: arm '{name}'"):
        config = (path.parent / config_path(value['config'])).resolve()
    if not config.is_file():
        raise MissingFile(f"plan {path}: arm '{name}': no config at {config}")
    seeds = value.get('seeds')
    if seeds is not None:
        seeds = _seeds(f"plan {path}: arm '{name}'", seeds)
    return Arm(
        name,
        config,
        overrides=value.get('overrides', {}),
        attention=_attention(path, name, value.get('attention', {})),
        seeds=seeds,
    )


def _attention(path: Path, name: str, value: Any) -> dict[str, list[dict[str, Any]]]:
    """Read ``attention=dict(neck=dict(cfg=..., position=...))``, or a list of entries per part."""
    by_part = {}
    for part, entries in value.items() if isinstance(value, dict) else [('attention', value)]:
        entries = list(entries) if isinstance(entries, (list, tuple)) else [entries]
        if not isinstance(value, dict) or not all(_is_entry(entry) for entry in entries):
            raise UserError(
                f"plan {path}: arm '{name}': attention must be entries by part, such as "
                f"dict(neck=dict(cfg=dict(type='CBAM'), position='output')), got {value!r}"
            )
        by_part[part] = entries
    return by_part


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and 'cfg' in value


def _questions(path: Path, value: Any) -> tuple[tuple[str, str], ...]:
    """Read ``question = dict(metric='AP', scope='crowded')``, or a list of such."""
    questions = list(value) if isinstance(value, (list, tuple)) else [value]
    for question in questions:
        if not isinstance(question, dict) or set(question) != {'metric', 'scope'}:
            raise UserError(
                f"plan {path}: question must be dict(metric='AP', scope='crowded') or a list of "
                f'such, got {question!r}'
            )
    return tuple((question['metric'], question['scope']) for question in questions)


def _severities(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    severities = values['severities']
    if not isinstance(severities, (list, tuple)) or not set(severities) <= {1, 2, 3, 4, 5}:
        raise UserError(f'plan {path}: severities must be numbers from 1 to 5, got {severities!r}')
    for key in ('dose', 'group_by'):
        if values.get(key):
            raise UserError(
                f"plan {path}: '{key}' follows from 'severities'; leave one of them out"
            )
    return dict(severities=tuple(sorted(set(severities))), dose='severity', group_by='original')


def _seeds(owner: str, seeds: Any) -> tuple[int, ...]:
    if not isinstance(seeds, (list, tuple)) or not all(_is_seed(seed) for seed in seeds):
        raise UserError(f'{owner}: seeds must be a list of integers from 0, got {seeds!r}')
    if not seeds:
        raise UserError(f'{owner}: seeds is empty; give one or more')
    if len(set(seeds)) < len(seeds):
        raise UserError(f'{owner}: seeds repeat in {list(seeds)}; give every run another')
    return tuple(seeds)


def _is_seed(value: Any) -> bool:
    return type(value) is int and value >= 0


def _check_folder_name(path: Path, name: str) -> None:
    if not isinstance(name, str) or not FOLDER_NAME.fullmatch(name):
        raise UserError(
            f"plan {path}: '{name}' names a folder, so it takes letters, digits, '_', '-', '+' "
            "and '.' only"
        )
