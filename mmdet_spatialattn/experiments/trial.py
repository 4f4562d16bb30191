"""A comparison for any detector: its data, its start, its arms, and what is worth knowing of them.

:mod:`.proposal` sizes the comparison and shows it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from ..attention.catalogue import find_attention
from ..clutter import stratify
from ..coco import Annotations, load_annotations
from ..comparison.pilots import foreseen
from ..compat.checkpoint import load_checkpoint
from ..datasets.root import move_data_root
from ..errors import UserError, error_prefix
from ..evaluation import EvaluationTask
from ..insertion.audit_detector import audit_detector
from ..insertion.recipe import attention_paramwise
from ..io import read_json, write_json
from ..registry import MODELS
from ..results import OVERALL
from ..tables import points
from .checks import build_checked_model, check_data, check_weights
from .config import CocoFiles, coco_files, iou_types, merge, read_config
from .own_data import check_images, check_masks, classes_of, on_own_data, split_images
from .placing import PLACES, attention_changes
from .plan import Plan, load_plan
from .plan_files import write_plan_files
from .pretrained import without_pretrained
from .resumable import trains_by_iterations

RATE = 0.1
"""Learning rate of fine-tuning, relative to the config's."""

STRATA = 'cover:0.1,0.3'

_LOADERS = ('train_dataloader', 'test_dataloader')


@dataclass(frozen=True)
class Data:
    """The images of a comparison.

    Attributes:
        files: Of training and of testing.
        train: Annotations to train on.
        test: Annotations to test on.
        held_out: Whether the test images were taken out of one file at random.
    """

    files: tuple[CocoFiles, CocoFiles]
    train: Annotations
    test: Annotations
    held_out: bool


@dataclass(frozen=True)
class Trial:
    """A comparison of a detector with and without attention, but for the number of its seeds.

    Attributes:
        folder: Folder of its plan.
        baseline: Whole config of the detector.
        arms: Changes of the other arms' configs.
        settings: The other keys of the plan.
        task: The test set and its strata.
        facts: What a user should know, a line by topic.
        notes: What may be wrong with it, in sentences.
    """

    folder: Path
    baseline: Config
    arms: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]
    task: EvaluationTask
    facts: Mapping[str, str]
    notes: tuple[str, ...]

    def write(self, seeds: int) -> Plan:
        """Write the plan with so many seeds, and its configs; return it as it is read."""
        settings = {**self.settings, 'name': self.folder.name, 'seeds': list(range(seeds))}
        title = 'Does attention help? A detector with and without it, on the same images.'
        return load_plan(write_plan_files(self.folder, title, self.baseline, self.arms, settings))

    def power(self, seeds: int) -> str:
        """Return in a sentence which effects so many seeds are expected to show."""
        questions = [question['scope'] for question in self.settings['question']]
        ranges = []
        for name, scope in zip(questions, (OVERALL, 'crowded')):
            low, high, pilots = foreseen(
                scope,
                seeds=seeds,
                n_arms=len(self.arms) + 1,  # and the placebo
                n_units=self.task.counts[self.task.named_scopes[name]].units,
                n_questions=len(questions),
            )
            between = points(low, decimals=1)
            if points(high, decimals=1) != between:
                between += f' to {points(high, decimals=1)}'
            ranges.append(f'{name} from {between} AP on')
        return (
            f'effects {" and ".join(ranges)} would be found four times in five, if training here '
            f'is as noisy as on {" and ".join(pilots)}'
        )


def prepare_trial(
    folder: Path,
    *,
    config: str,
    attention: Sequence[str],
    at: Sequence[str],
    load_from: Optional[str],
    data: Sequence[str],
    images: Optional[str],
    overrides: Mapping[str, Any],
    steps: int,
) -> Trial:
    """Read everything that a comparison is made of, and check it.

    The arguments are those of :func:`~.proposal.propose`; annotation files of held-out images are
    written into the folder.

    Raises:
        UserError: See :func:`~.proposal.propose`.
    """
    detector = read_config(config)
    root = detector.get('data_root')
    merge(detector, overrides)
    move_data_root(detector, root)
    given = _data(detector, data, images, folder)
    checkpoint = None if load_from is None else load_checkpoint(load_from)
    known = _known_classes(checkpoint or {})
    classes = _classes(detector, given.test, known, adapt=bool(data))
    notes = []
    if classes != classes_of(detector) or data:
        changed = len(classes) != len(classes_of(detector))
        detector = on_own_data(detector, *given.files, classes)
        if changed:
            notes.append(f'The heads of the detector now have {len(classes)} classes.')
    detector.custom_imports = _imports(detector)
    detector.optim_wrapper.paramwise_cfg = attention_paramwise(
        **(detector.optim_wrapper.get('paramwise_cfg') or {})
    )
    detector.load_from = None
    start, fact = _start(detector, load_from, checkpoint, same_classes=known in ((), classes))
    check_data(detector, *_LOADERS)
    for annotations in (given.train, given.test):
        check_masks([detector], annotations)
    arms = _arms(detector, attention, at)
    for name, changes in arms.items():
        trial = Config(detector._cfg_dict.to_dict())
        trial.merge_from_dict(changes)
        audit = audit_detector(build_checked_model(trial), trial)
        notes += [f'{name}: {warning}' for warning in audit.warnings]
    task = EvaluationTask(given.test, stratify(given.test, STRATA))
    if given.held_out and 'checkpoint' in start:
        notes.append(
            'If the checkpoint was trained on images that are held out here, every AP is too high; '
            'the arms are still compared alike.'
        )
    fine_tuning, training = _fine_tuning(detector, given.train, steps)
    return Trial(
        folder,
        detector,
        arms,
        {
            'control': 'control',
            'start': start,
            'fine_tuning': fine_tuning,
            'strata': STRATA,
            'question': [dict(metric='AP', scope=scope) for scope in _scopes(task)],
            'overrides': {'default_hooks.logger.interval': 10},
        },
        task,
        {
            'detector': _describe(detector, config, classes),
            'data': _describe_data(given.train, task),
            'start': fact,
            'training': training,
            'arms': ', '.join(['baseline', *arms, 'placebo']) + _compared(detector),
        },
        tuple(dict.fromkeys(notes)),
    )


def _data(config: Config, data: Sequence[str], images: Optional[str], folder: Path) -> Data:
    if len(data) > 2:
        raise UserError(
            f'data: expected one annotation file, or two (to train and to test on), got {len(data)}'
        )
    if not data:
        check_data(config, *_LOADERS)
        train, test = (coco_files(config[loader]) for loader in _LOADERS)
    else:
        train, test = (
            CocoFiles(Path(source), Path(images or Path(source).parent))
            for source in (data[0], data[-1])
        )
        if len(data) == 1:
            load_annotations(data[0])  # refuses what is no annotation file
            parts = zip(('train', 'test'), split_images(read_json(data[0])))
            for name, content in parts:
                write_json(folder / 'data' / f'{name}.json', content, indent=None)
            train, test = (
                CocoFiles(folder / 'data' / f'{name}.json', train.images)
                for name in ('train', 'test')
            )
    return Data((train, test), _checked(train), _checked(test), held_out=len(data) == 1)


def _checked(files: CocoFiles) -> Annotations:
    """Load annotations whose images are all there."""
    annotations = load_annotations(str(files.annotations))
    check_images(annotations, files.images)
    return annotations


def _known_classes(checkpoint: dict[str, Any]) -> tuple[str, ...]:
    """Return the classes that a checkpoint says it was trained on; empty where it does not."""
    meta = checkpoint.get('meta') or {}
    return tuple((meta.get('dataset_meta') or {}).get('classes') or ())


def _classes(
    config: Config, test: Annotations, known: tuple[str, ...], *, adapt: bool
) -> tuple[str, ...]:
    """Return the classes to detect: the config's, or those of the data in a known order."""
    own = classes_of(config)
    if not adapt and own and set(own) <= set(test.category_names):
        return own
    for order in (known, own):
        if set(order) == set(test.category_names):
            return order
    return tuple(test.category_names)


def _imports(config: Config) -> dict[str, Any]:
    """Return ``custom_imports`` with this package."""
    imports = config.get('custom_imports') or {}
    names = imports.get('imports') or []
    names = [names] if isinstance(names, str) else list(names)
    return {**imports, 'imports': list(dict.fromkeys([*names, MODELS.scope]))}


def _start(
    config: Config,
    load_from: Optional[str],
    checkpoint: Optional[dict[str, Any]],
    *,
    same_classes: bool,
) -> tuple[dict[str, Any], str]:
    """Return the start of the plan, and a line about it.

    The checkpoint is the start where all weights fit, and the classes are its own. Otherwise the
    detector is trained by the schedule of its config, from the checkpoint where there is one.
    """
    unit = 'iterations' if trains_by_iterations(config) else 'epochs'
    length = config.train_cfg['max_iters' if unit == 'iterations' else 'max_epochs']
    overrides: dict[str, Any] = {'optim_wrapper.optimizer.lr': _learning_rate(config)}
    trained = f'the detector, trained by its own schedule of {length} {unit}'
    if load_from and checkpoint:
        path = load_from if '://' in load_from else str(Path(load_from).resolve())
        config.model = without_pretrained(config.model)  # the checkpoint has these weights
        model = build_checked_model(config)
        check_weights(model, checkpoint, path, 'start')
        if same_classes and _fits(model, checkpoint):
            return dict(checkpoint=path), f'{load_from}, whose weights all fit'
        overrides['load_from'] = path
        trained += f' from {load_from}, whose heads are of other classes'
    return {'arm': 'baseline', unit: length, 'overrides': overrides}, trained


def _fits(model: Any, checkpoint: dict[str, Any]) -> bool:
    try:
        check_weights(model, checkpoint, 'the checkpoint', 'test')
    except UserError:
        return False
    return True


def _learning_rate(config: Config) -> float:
    """Return the config's learning rate, scaled to its batches where it is meant for larger ones.

    MMDetection's rates are for the batches of all GPUs together (``auto_scale_lr``; linear scaling
    as in Goyal et al. 2017, Accurate, Large Minibatch SGD).
    """
    rate, scale = config.optim_wrapper.optimizer.lr, config.get('auto_scale_lr') or {}
    batch = config.train_dataloader.batch_size
    return float(f'{rate * batch / scale.get("base_batch_size", batch):.3g}')


def _fine_tuning(
    config: Config, train: Annotations, least_steps: int
) -> tuple[dict[str, Any], str]:
    """Return what changes after the start, and a line about it."""
    rate = float(f'{RATE * _learning_rate(config):.3g}')
    if trains_by_iterations(config):
        steps, length = least_steps, {'train_cfg.max_iters': least_steps}
        decay = dict(type='CosineAnnealingLR', by_epoch=False, T_max=steps)
        each = f'{steps} iterations'
    else:
        images = len({*train.image.tolist()})
        of_an_epoch = math.ceil(images / config.train_dataloader.batch_size)
        epochs = math.ceil(least_steps / of_an_epoch)
        steps, length = epochs * of_an_epoch, {'train_cfg.max_epochs': epochs}
        decay = dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True)
        each = f'{epochs} epoch{"s" if epochs > 1 else ""} of {of_an_epoch} steps'
    warm_up = dict(
        type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=min(100, steps // 5)
    )
    changes = {**length, 'optim_wrapper.optimizer.lr': rate, 'param_scheduler': [warm_up, decay]}
    return changes, f'every arm from this start: {each}, learning rate {rate:g}'


def _arms(config: Config, attention: Sequence[str], at: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the changes of the control's config and of every arm's with attention."""
    for name in attention:
        find_attention(name)
    control = dict(type='CapacityControl', like=dict(type=attention[0]))
    arms = {'control': dict(model=attention_changes(config, control, at[0]))}
    for place in at:
        for name in attention:
            module = dict(type=name, identity_init=True)
            arm = f'{name.lower()}-{place}' if place in PLACES else name.lower()
            if arm in arms:
                raise UserError(f"arm '{arm}' is asked for twice; give every module and place once")
            with error_prefix(f"arm '{arm}'"):
                arms[arm] = dict(model=attention_changes(config, module, place))
    return arms


def _scopes(task: EvaluationTask) -> list[str]:
    """Return the scopes of the primary questions: overall, and the most cluttered large enough."""
    names = list(task.named_scopes)
    enough = [name for name in names if task.refusal(task.named_scopes[name]) is None]
    if OVERALL not in enough:
        reason = task.refusal(task.named_scopes[OVERALL])
        raise UserError(f'the test set is too small: {reason.reason if reason else ""}')
    return list(dict.fromkeys([OVERALL, enough[-1]]))


def _describe(config: Config, source: str, classes: Sequence[str]) -> str:
    backbone = config.model.get('backbone') or {}
    depth = f'-{backbone["depth"]}' if 'depth' in backbone else ''
    name = f'{_short(config.model.type)} with {_short(backbone.get("type", "no backbone"))}{depth}'
    return f'{name} of {source}; {_count(classes, "class", "classes")}: {_some(classes)}'


def _describe_data(train: Annotations, task: EvaluationTask) -> str:
    scopes = task.named_scopes
    parts = []
    for name in reversed(list(scopes)[1:]):
        scope = scopes[name]
        too_few = '' if task.refusal(scope) is None else ' (too few to ask about)'
        parts.append(f'{task.counts[scope].objects} {name}{too_few}')
    total = task.counts[scopes[OVERALL]].objects
    return (
        f'{len(train.image_ids)} images to train on; {task.n_images} to test on, with {total} '
        f'objects: {", ".join(parts)}'
    )


def _compared(config: Config) -> str:
    """Return what the arms are compared by, where they have masks."""
    return {
        ('segm', 'bbox'): '; compared by their masks, and by their boxes beside them',
        ('segm',): '; compared by their masks',
    }.get(iou_types([config]), '')


def _short(kind: Any) -> str:
    name = kind if isinstance(kind, str) else kind.__name__
    return name.rpartition('.')[2]


def _count(items: Sequence[Any], singular: str, plural: str) -> str:
    return f'{len(items)} {singular if len(items) == 1 else plural}'


def _some(names: Iterable[str], count: int = 5) -> str:
    texts = list(names)
    return ', '.join(texts[:count]) + (', ...' if texts[count:] else '')
