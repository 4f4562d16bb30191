"""One run, evaluated: COCO's numbers, the same in every stratum, and both in replicates."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Callable, Optional

import numpy as np

from ..clutter.strata import Scope, StrataLike, Stratification, charge, members, scopes, stratify
from ..clutter.table import ENOUGH
from ..coco import (
    Annotations,
    AnnotationSource,
    Detections,
    DetectionSource,
    load_annotations,
    load_detections,
)
from ..errors import UserError
from ..processors import count_processors
from .curves import LANES, Bundle, add_miss_rate, precision_curves
from .error_types import ERROR_TYPES, find_errors
from .jaccard import jaccard
from .matching import IOU_THRESHOLDS, Matches, match
from .metrics import coco_statistics, count_objects

CAPS = (1, 10, 100)
"""COCO's ``maxDets``."""

ENOUGH_IMAGES = 10
"""Images, or groups of them, that a stratum needs before anything is concluded from it: they are
what is resampled."""

SLICES = 2 * LANES
"""Random slices of the images that tell how much AP rises because a stratum is small."""

ERROR_PREFIX = 'dAP50 '
"""What precedes an error type in the name of a metric: AP50 gained if there were no such error."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What all runs of a comparison share.

    Attributes:
        annotations: The objects.
        strata: The objects sorted into strata.
        iou_type: ``'bbox'`` or ``'segm'``.
        caps: COCO's ``maxDets``.
        engine: Who matches.
        group_by: Field of the images: those with the same value are resampled together.
        groups: ``(images,)`` int, the group of each image; its own by default.

    Raises:
        UserError: An image lacks the field to group by, or there are too few groups.
    """

    annotations: Annotations
    strata: Stratification
    iou_type: str = 'bbox'
    caps: tuple[int, ...] = CAPS
    engine: str = 'auto'
    group_by: Optional[str] = None
    groups: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'groups', _group(self.annotations, self.group_by))

    @cached_property
    def scopes(self) -> list[Scope]:
        """All that is scored; overall is the first, its sizes follow."""
        return scopes(len(self.strata.names))

    @cached_property
    def inside(self) -> np.ndarray:
        """``(scopes, objects)`` bool, the objects of each scope."""
        found = members(self.scopes, self.annotations.area, self.strata.labels)
        return found & ~self.annotations.iscrowd

    @property
    def n_images(self) -> int:
        return len(self.annotations.image_ids)

    @property
    def unit(self) -> str:
        """What is resampled: ``'images'`` or ``'groups'`` of them."""
        return 'groups' if self.group_by else 'images'

    @cached_property
    def counts(self) -> dict[Scope, dict[str, int]]:
        """How many objects each scope holds, how many images hold them, and groups, if any."""
        return {scope: self._count(mine) for scope, mine in zip(self.scopes, self.inside)}

    def _count(self, mine: np.ndarray) -> dict[str, int]:
        images = np.unique(self.annotations.image[mine])
        count = {'objects': int(mine.sum()), 'images': len(images)}
        return {**count, self.unit: len(np.unique(self.groups[images]))}

    def refusal(self, *scopes: Scope) -> Optional[str]:
        """Return why nothing can be concluded from some scopes, if so."""
        for scope in scopes:
            name = 'all' if scope.stratum is None else f"'{self.strata.names[scope.stratum]}'"
            name += f' ({scope.size})' if scope.size else ''
            for what, enough in (('objects', ENOUGH), (self.unit, ENOUGH_IMAGES)):
                count = self.counts[scope][what]
                if count < enough:
                    return f'{name}: {count} {what}; a conclusion needs {enough}'
        return None


def _group(annotations: Annotations, by: Optional[str]) -> np.ndarray:
    n_images = len(annotations.image_ids)
    if by is None:
        return np.arange(n_images)
    values = annotations.image_field(by)
    number = {value: n for n, value in enumerate(dict.fromkeys(values))}
    if len(number) < ENOUGH_IMAGES:
        raise UserError(
            f"{annotations.source}: '{by}' puts the {n_images} images into {len(number)} groups; "
            f'resampling them needs {ENOUGH_IMAGES}: group by a field with more values, or by none '
            'if the images are independent'
        )
    return np.array([number[value] for value in values])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One run against one set of annotations.

    Attributes:
        source: Where the detections came from.
        overall: COCO's twelve numbers by name, equal to pycocotools' to the last bit (-1 where
            undefined); ``MR``, the log-average miss rate MR^-2; with one class ``JI``.
        strata: By name of the stratum ``objects`` and ``images``, how many there are; ``AP``,
            ``AP50``, ``AP75``, ``AR<cap>``, ``MR``, with one class ``JI``; and ``AP_lift``, by how
            much the AP of random images that hold as many objects exceeds the overall AP, merely
            because they are fewer. NaN where undefined.
        error_counts: How many errors of each type there are, ``'overall'`` and by stratum.
        replicates: ``(1 + B,)`` of each metric in each scope: as measured, and in replicates.
        notes: What a user should know, one sentence each.
    """

    source: str
    overall: dict[str, float]
    strata: dict[str, dict[str, float]]
    error_counts: dict[str, dict[str, int]]
    replicates: dict[tuple[Scope, str], np.ndarray]
    notes: tuple[str, ...] = ()


def evaluate(
    annotations: AnnotationSource,
    detections: DetectionSource,
    strata: StrataLike = 'cover',
    iou_type: str = 'bbox',
    max_detections: tuple[int, ...] = CAPS,
    engine: str = 'auto',
) -> Evaluation:
    """Evaluate one run, overall and in every stratum.

    Args:
        annotations: A COCO annotation file, what stands in one, or loaded annotations.
        detections: A file of detections, what stands in one, or loaded detections.
        strata: ``'cover:0.1,0.3'`` and the like, or sorted objects.
        iou_type: ``'bbox'`` or ``'segm'``.
        max_detections: COCO's ``maxDets``, rising.
        engine: ``'auto'``, ``'compiled'`` or ``'pycocotools'``.

    Raises:
        UserError: A file is broken, or the two do not belong together.

    Example:
        >>> annotations = {
        ...     'images': [{'id': 1}],
        ...     'categories': [{'id': 1, 'name': 'cell'}],
        ...     'annotations': [
        ...         {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10]},
        ...         {'id': 2, 'image_id': 1, 'category_id': 1, 'bbox': [5, 0, 10, 10]},
        ...     ],
        ... }
        >>> found = [{'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10], 'score': 0.9}]
        >>> evaluate(annotations, found).strata['crowded']['AR100']
        0.5
    """
    truth = load_annotations(annotations)
    problem = Problem(truth, stratify(strata, truth), iou_type, tuple(max_detections), engine)
    with ThreadPoolExecutor(count_processors()) as pool:
        found = load_detections(detections, truth, iou_type)
        return evaluate_run(problem, found, n_boot=0, seed=0, run=pool.map)


def evaluate_run(
    problem: Problem,
    detections: Detections,
    n_boot: int,
    seed: int,
    run: Callable = map,
    tick: Callable = lambda: None,
) -> Evaluation:
    """Evaluate one run with ``n_boot`` replicates.

    Args:
        problem: What is shared; all runs with the same ``seed`` see the same replicates.
        detections: What was found.
        n_boot: Number of replicates.
        seed: Of the replicates.
        run: Maps a function over parts of the work; results do not depend on it.
        tick: Called after every step, ``n_steps(n_boot)`` times.
    """
    of, n_strata = problem.annotations, len(problem.strata.names)
    charged = charge(of, detections, problem.strata)
    countable = members(problem.scopes, detections.area, charged)
    cap = problem.caps[-1]
    matches = match(
        of, detections, problem.inside, countable, cap, engine=problem.engine, run=run
    )  # fmt: skip
    tick()
    whole = [i for i, scope in enumerate(problem.scopes) if scope.size is None]
    errors = dict(zip(whole, find_errors(of, detections, matches, problem.inside, whole, run)))
    curves = [
        precision_curves(of, matches, i, problem.inside[i], errors.get(i))
        for i in range(len(problem.scopes))
    ]
    for i in whole:
        add_miss_rate(curves[0], f'MR {i}', i, problem.inside[i], countable[0][matches.order])
    bundles = list(run(lambda one: one.bundle(), curves))
    indices = None
    if len(of.category_ids) == 1:
        indices = jaccard(of, detections, matches, problem.strata.labels, charged, n_strata, run)
    tick()
    values, recalls = _resample(problem, bundles, n_boot, seed, run, tick, indices)
    replicates = _metrics(problem, whole, bundles, values, recalls)
    n_objects = count_objects(of.category, problem.inside, len(of.category_ids))
    lift = _lift(problem, bundles[0], replicates[Scope(), 'AP'][0], run)
    names = ['MR', *(['JI'] if indices is not None else [])]
    overall = coco_statistics(matches, n_objects, problem.caps)
    overall |= {name: float(replicates[Scope(), name][0]) for name in names}
    names = ['AP', 'AP50', 'AP75', f'AR{cap}', *names]
    return Evaluation(
        source=detections.source,
        overall=overall,
        strata={
            stratum: {
                **problem.counts[Scope(s)],
                **{name: float(replicates[Scope(s), name][0]) for name in names},
                'AP_lift': lift[s],
            }
            for s, stratum in enumerate(problem.strata.names)
        },
        error_counts={
            name: {
                **{e: int((errors[i].kind == k).sum()) for k, e in enumerate(ERROR_TYPES[:-1], 1)},
                ERROR_TYPES[-1]: int(errors[i].missed.sum()),
            }
            for name, i in zip(('overall', *problem.strata.names), whole)
        },
        replicates=replicates,
        notes=tuple(_notes(problem, detections, matches)),
    )


@dataclass(frozen=True, eq=False)
class Precisions:
    """The AP of one run in every stratum.

    Attributes:
        source: Where the detections came from.
        values: ``(strata, 1 + B)``, as measured and in replicates.
        notes: What a user should know, one sentence each.
    """

    source: str
    values: np.ndarray
    notes: tuple[str, ...]


def average_precisions(
    problem: Problem,
    detections: Detections,
    n_boot: int,
    seed: int,
    run: Callable = map,
    tick: Callable = lambda: None,
) -> Precisions:
    """Evaluate the AP of one run in every stratum, with ``n_boot`` replicates.

    Equal to what :func:`evaluate_run`, whose arguments it takes, gives, and faster: nothing else is
    computed.
    """
    which = [Scope(s) for s in range(len(problem.strata.names))]
    inside = problem.inside[[problem.scopes.index(scope) for scope in which]]
    charged = charge(problem.annotations, detections, problem.strata)
    matches = match(
        problem.annotations,
        detections,
        inside,
        members(which, detections.area, charged),
        problem.caps[-1],
        engine=problem.engine,
        run=run,
    )
    tick()
    bundles = [
        precision_curves(problem.annotations, matches, i, mine).bundle()
        for i, mine in enumerate(inside)
    ]
    tick()
    values, _ = _resample(problem, bundles, n_boot, seed, run, tick)
    return Precisions(
        source=detections.source,
        values=np.stack([value.mean(axis=0) for value in values]),
        notes=tuple(_notes(problem, detections, matches)),
    )


def _resample(
    problem: Problem,
    bundles: list[Bundle],
    n_boot: int,
    seed: int,
    run: Callable,
    tick: Callable,
    indices: Optional[np.ndarray] = None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return values and recalls of every bundle, each ``(C, 1 + n_boot)``; values of JI last."""

    def block(number: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        weights = replicate(problem.groups, seed, number)
        found = [bundle.resample(weights) for bundle in bundles]
        index = [] if indices is None else [_best_index(indices, weights)]
        return [values for values, _ in found] + index, [recalls for _, recalls in found]

    blocks = []
    for result in run(block, range(n_blocks(n_boot))):
        blocks.append(result)
        tick()
    columns = slice(0, 1 + n_boot)
    values, recalls = (
        [np.concatenate(parts, axis=1)[:, columns] for parts in zip(*half)] for half in zip(*blocks)
    )
    return values, recalls


def n_blocks(n_boot: int) -> int:
    """Return how many blocks hold the measured data and the replicates."""
    return -(-(1 + n_boot) // LANES)


def n_steps(n_boot: int) -> int:
    """Return how often :func:`evaluate_run` ticks."""
    return 2 + n_blocks(n_boot)


def replicate(groups: np.ndarray, seed: int, block: int) -> np.ndarray:
    """Return how often each image occurs, ``(images, LANES)`` int32; once in the very first lane.

    As many groups are drawn as there are, each with all of its images (the cluster bootstrap;
    Davison and Hinkley 1997, Sec. 3.8). A block depends on nothing but the arguments, so that
    threads cannot change it.

    Args:
        groups: ``(images,)`` the number of the group that each image belongs to.
        seed: Of all replicates.
        block: Which of the blocks of replicates.
    """
    n_groups = int(groups.max()) + 1
    rng = np.random.default_rng([seed, block])
    drawn = rng.integers(0, n_groups, (LANES, n_groups))
    counts = np.stack([np.bincount(row, minlength=n_groups) for row in drawn], axis=1)
    if block == 0:
        counts[:, 0] = 1
    return counts.astype(np.int32)[groups]


def _best_index(indices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the Jaccard index of every replicate, ``(1 + strata, LANES)``."""
    defined = ~np.isnan(indices)
    with np.errstate(invalid='ignore'):
        return np.max(np.where(defined, indices, 0) @ weights / (defined @ weights), axis=1)


def _metrics(
    problem: Problem,
    whole: list[int],
    bundles: list[Bundle],
    values: list[np.ndarray],
    recalls: list[np.ndarray],
) -> dict[tuple[Scope, str], np.ndarray]:
    n = len(IOU_THRESHOLDS)
    at_75 = IOU_THRESHOLDS.tolist().index(0.75)
    found = {}
    for scope, bundle, value, recall in zip(problem.scopes, bundles, values, recalls):
        found[scope, 'AP'] = value[:n].mean(axis=0)
        found[scope, 'AP50'] = value[0]
        found[scope, 'AP75'] = value[at_75]
        found[scope, f'AR{problem.caps[-1]}'] = recall[:n].mean(axis=0)
        for name, row in zip(bundle.names[n:], value[n:]):
            if name in ERROR_TYPES:
                found[scope, ERROR_PREFIX + name] = row - value[0]
            else:
                found[problem.scopes[int(name.removeprefix('MR '))], 'MR'] = row
    for i, row in zip(whole, values[-1] if len(values) > len(bundles) else ()):
        found[problem.scopes[i], 'JI'] = row
    return found


def _lift(problem: Problem, bundle: Bundle, ap: float, run: Callable) -> list[float]:
    """Return by how much AP rises when there are only as many objects as in each stratum."""
    n, n_strata = len(IOU_THRESHOLDS), len(problem.strata.names)
    counts = [problem.counts[Scope(s)]['objects'] for s in (None, *range(n_strata))]
    share = [count / max(counts[0], 1) for count in counts[1:]]

    def slices(seed: tuple[int, int]) -> np.ndarray:
        stratum, block = seed
        rng = np.random.default_rng([1, stratum, block])
        taken = [
            rng.permutation(problem.n_images) < share[stratum] * problem.n_images
            for _ in range(LANES)
        ]
        return bundle.resample(np.stack(taken, axis=1).astype(np.int32))[0][:n].mean(axis=0)

    blocks = [(s, b) for s in range(len(share)) for b in range(SLICES // LANES)]
    found = np.array(list(run(slices, blocks))).reshape(len(share), -1)
    defined = ~np.isnan(found)
    with np.errstate(invalid='ignore'):
        return (np.where(defined, found, 0).sum(axis=1) / defined.sum(axis=1) - ap).tolist()


def _notes(problem: Problem, detections: Detections, matches: Matches) -> Iterator[str]:
    yield from detections.notes
    cap = problem.caps[-1]
    full = len(np.unique(matches.image[matches.rank == cap - 1]))
    if full:
        lost = len(detections) - len(matches.order)
        yield (
            f'{detections.source}: {full} images reach the cap of {cap} detections of a class; '
            f'{lost} detections beyond it are not counted (COCO counts no more; raise '
            'max_detections to count them)'
        )
