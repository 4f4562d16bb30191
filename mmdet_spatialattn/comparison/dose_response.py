"""What clutter does to a detector when the objects stay the same: AP by dose.

Clutter scenes hold every scene at several levels, injection writes a set at several severities: a
field of the images says how much clutter an image got, its *dose*. The AP at a dose is that of its
images alone. As with corruptions (Michaelis et al. 2019, https://arxiv.org/abs/1907.07484) ``mPC``,
the mean performance under clutter, is the mean AP over all doses but the first, and ``rPC`` its
ratio to the AP at the first.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ..clutter import Scope, image_numbers, stratify_images
from ..coco import AnnotationSource, load_annotations
from ..errors import require
from ..evaluation import MAX_DETECTIONS, EvaluationTask, average_precisions
from ..io import PathLike, write_json
from ..processors import Progress, silent
from ..tables import text_table
from .compare import plain
from .inference import LEVEL, Estimate, Interval, average, difference, holm
from .runs import Arms, check_arms, evaluate_arms, notes_on_runs
from .verdict import interval, points

if TYPE_CHECKING:
    import pandas

RATIOS = ('mPC', 'rPC')
"""What sums up the doses."""

Row = dict[str, Any]
"""Under ``'AP'`` a list with what was found at every dose, under ``'mPC'`` and ``'rPC'`` what was
found there; ``None`` where nothing is concluded."""


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """The AP of arms by dose: what :func:`dose_response` returns.

    Attributes:
        field: The field of the images that holds the dose.
        doses: Rising.
        images: How many have each dose.
        objects: Likewise.
        arms: By arm, of the mean over its runs, as intervals; and ``'runs'``, with the ``source``
            and the plain numbers of each.
        effects: By arm but the baseline, as estimates. Over arms and doses the p values of AP are
            adjusted for their number (Holm), over arms those of mPC, and those of rPC.
        settings: How it was computed.
        notes: What a user should know, one sentence each.
    """

    field: str
    doses: list[float]
    images: list[int]
    objects: list[int]
    arms: dict[str, Row]
    effects: dict[str, Row]
    settings: dict[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it; ``null`` stands where a number is undefined or refused."""
        return plain(vars(self))

    def write(self, path: PathLike) -> None:
        """Write :meth:`to_json`, atomically."""
        write_json(path, self.to_json())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row per interval: what (arms, effects), arm, metric, dose, and its parts."""
        return [
            {'what': what, 'arm': arm, 'metric': metric, 'dose': dose, **asdict(found)}
            for what in ('arms', 'effects')
            for arm, row in getattr(self, what).items()
            for metric, dose, found in _cells(row, self.doses)
            if found is not None
        ]

    def to_pandas(self) -> 'pandas.DataFrame':
        """Return :meth:`rows` as a data frame."""
        return require('pandas', 'report').DataFrame(self.rows())

    def __str__(self) -> str:
        columns = [*(f'{self.field} {dose}' for dose in self.doses), *RATIOS]
        parts = [f'{self.settings["file"]}: {sum(self.objects)} objects, {sum(self.images)} images']
        against = f'against {self.settings["baseline"]}'
        for title, arms, text in (('AP', self.arms, _points), (against, self.effects, interval)):
            rows = [
                (arm, *('-' if one is None else text(one) for *_, one in _cells(row, self.doses)))
                for arm, row in arms.items()
            ]
            parts += [text_table((title, *columns), rows)] if rows else []
        return '\n\n'.join([*parts, *(f'Note: {note}' for note in self.notes)])


def dose_response(
    annotations: AnnotationSource,
    arms: Arms,
    baseline: Optional[str] = None,
    field: str = 'level',
    n_boot: int = 1000,
    seed: int = 0,
    iou_type: str = 'bbox',
    group_by: Optional[str] = None,
    engine: str = 'auto',
    threads: Optional[int] = None,
    progress: Progress = silent,
) -> DoseResponse:
    """Measure how the AP of arms falls with clutter, and whether one arm loses less than another.

    Args:
        annotations: A COCO annotation file, what stands in one, or loaded annotations.
        arms: The detections of the runs of each arm, one per training seed; one arm is enough.
        baseline: The arm that the others are compared with; the first by default.
        field: The field of the file's images that holds the dose, a number.
        n_boot: Number of bootstrap replicates.
        seed: Of the replicates.
        iou_type: ``'bbox'`` or ``'segm'``.
        group_by: A field of the file's images: those with the same value are resampled together.
            For clutter scenes it is ``'scene'``, as a scene is there at every level.
        engine: ``'auto'``, ``'compiled'``, or ``'pycocotools'``, the slow reference.
        threads: How many to use; as many as there are processors by default.
        progress: Wraps the steps, whose number it is given, to show how it goes.

    Raises:
        UserError: A file is broken or does not belong to the annotations; an image lacks one of
            the fields, or the dose is no number; an arm has no run or the same twice.

    Example:
        >>> images = [{'id': i, 'level': i % 2} for i in range(40)]
        >>> box = {'category_id': 1, 'bbox': [0, 0, 10, 10]}
        >>> annotations = {
        ...     'images': images,
        ...     'categories': [{'id': 1, 'name': 'cell'}],
        ...     'annotations': [{'id': i + 1, 'image_id': i // 2, **box} for i in range(80)],
        ... }
        >>> found = [{'image_id': i, 'score': 0.9, **box} for i in range(40)]
        >>> dose_response(annotations, {'a': [found]}, n_boot=100).doses
        [0, 1]
    """
    checked, baseline = check_arms(arms, baseline, n_boot, at_least=1)
    truth = load_annotations(annotations)
    strata, values = stratify_images(truth, field), image_numbers(truth, field)
    doses = sorted(set(values))
    problem = EvaluationTask(truth, strata, iou_type, MAX_DETECTIONS, engine, group_by)
    runs = evaluate_arms(average_precisions, problem, checked, n_boot, seed, threads, progress)
    counts = [problem.counts[Scope(s)] for s in range(len(strata.names))]
    refused = [problem.refusal(Scope(s)) for s in range(len(strata.names))]
    tables = {arm: _with_ratios(np.stack([run.values for run in of])) for arm, of in runs.items()}
    units = [count.units for count in counts]
    # The number of units of every column, None where nothing is concluded.
    columns = [None if why else n for n, why in zip(units, refused)]
    columns += [None if any(refused) else min(units)] * len(RATIOS)
    effects: dict[str, list[Optional[Estimate]]] = {
        arm: [
            None if n is None else difference(table[:, c], tables[baseline][:, c], n)
            for c, n in enumerate(columns)
        ]
        for arm, table in tables.items()
        if arm != baseline
    }
    _adjust(effects, len(counts))
    return DoseResponse(
        field=field,
        doses=doses,
        images=[values.count(dose) for dose in doses],
        objects=[count.objects for count in counts],
        arms={
            arm: {
                **_row(
                    [None if n is None else average(table[:, c], n) for c, n in enumerate(columns)]
                ),
                'runs': [
                    {'source': run.source, **_row(numbers)}
                    for run, numbers in zip(runs[arm], table[..., 0].tolist())
                ],
            }
            for arm, table in tables.items()
        },
        effects={arm: _row(found) for arm, found in effects.items()},
        settings={
            'file': truth.source,
            'baseline': baseline,
            'iou_type': iou_type,
            'engine': engine,
            'n_boot': n_boot,
            'seed': seed,
            'level': LEVEL,
            'group_by': group_by,
        },
        notes=tuple(
            dict.fromkeys(
                [
                    *truth.notes,
                    *(f'nothing is concluded from {why}' for why in refused if why),
                    *(note for of in runs.values() for run in of for note in run.notes),
                    *notes_on_runs({arm: len(of) for arm, of in runs.items()}),
                ]
            )
        ),
    )


def _with_ratios(ap: np.ndarray) -> np.ndarray:
    """Append mPC and rPC to the AP by dose: ``(K, D, 1 + B)`` to ``(K, D + 2, 1 + B)``."""
    mean = ap[:, 1:].mean(axis=1, keepdims=True)
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.concatenate([ap, mean, mean / ap[:, :1]], axis=1)


def _row(cells: list) -> Row:
    return {'AP': cells[: -len(RATIOS)], **dict(zip(RATIOS, cells[-len(RATIOS) :]))}


def _cells(row: Row, doses: list) -> Iterator[tuple[str, Any, Any]]:
    """Yield every metric, the dose if there is one, and what was found."""
    yield from (('AP', dose, found) for dose, found in zip(doses, row['AP']))
    yield from ((name, None, row[name]) for name in RATIOS)


def _points(found: Interval) -> str:
    return points(found.estimate)


def _adjust(effects: dict[str, list[Optional[Estimate]]], n_doses: int) -> None:
    """Adjust the p values, in place: AP of all arms and doses is a family, so is each ratio."""
    for family in (range(n_doses), [n_doses], [n_doses + 1]):
        found = {(a, c): one for a, row in effects.items() for c in family if (one := row[c])}
        for (arm, c), effect in zip(found, holm(list(found.values()))):
            effects[arm][c] = effect
