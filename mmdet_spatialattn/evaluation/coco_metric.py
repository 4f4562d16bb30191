"""COCO's metric during training and testing, with AP per stratum of clutter beside it."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
from mmdet.evaluation import CocoMetric
from mmengine.logging import MMLogger

from ..clutter.strata import Strata, Stratification, stratify
from ..coco import Annotations, load_annotations
from ..registry import METRICS
from .evaluator import evaluate
from .metrics import UNDEFINED


@METRICS.register_module()
class ClutterCocoMetric(CocoMetric):
    """mmdet's ``CocoMetric``, and what it does not say: how good detections are in clutter.

    The keys of ``CocoMetric`` and their numbers stay. Beside them stand, for every stratum,
    ``clutter/<stratum>_AP`` and ``clutter/<stratum>_objects``; for masks, where boxes are evaluated
    too, ``clutter/<stratum>_segm_AP``. An AP is comparable with the same stratum's of another
    detector, not with another stratum's; -1 stands for a stratum without objects, as in COCO. It is
    COCO's AP: at most 100 detections of a class and image, the ten IoU thresholds, and the classes
    of the data set.

    The detections of the last evaluation are kept for ``spatialattn compare``: at
    ``outfile_prefix`` or else as ``detections.bbox.json`` beside the log of the run.

    Args:
        strata: The rule, as ``'cover:0.1,0.3'``; see
            :meth:`~mmdet_spatialattn.clutter.strata.Strata.parse`.
        prefix: As in ``CocoMetric``; another one than ``'coco'`` stands before ``clutter/`` too.
        **kwargs: See ``mmdet.evaluation.CocoMetric``.

    Raises:
        UserError: The rule cannot be read, or the annotations are not valid.

    Example:
        >>> val_evaluator = dict(
        ...     type='mmdet_spatialattn.ClutterCocoMetric', ann_file='annotations/val.json'
        ... )
    """

    outfile_prefix: Optional[str]

    def __init__(self, *args, strata: str = 'cover', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.strata = Strata.parse(strata)
        self.kept: dict[str, str] = {}
        # Now, because the evaluation changes the annotations that the COCO API holds.
        self._truth = None if self._coco_api is None else load_annotations(self._coco_api.dataset)

    def evaluate(self, size: int) -> dict[str, float]:
        metrics = super().evaluate(size)
        if self.prefix != self.default_prefix:
            return metrics
        start = f'{self.prefix}/clutter/'
        return {
            name.replace(start, 'clutter/', 1) if name.startswith(start) else name: value
            for name, value in metrics.items()
        }

    def compute_metrics(self, results: list) -> dict[str, float]:
        given = self.outfile_prefix
        with contextlib.ExitStack() as stack:
            if given is None:
                log_file = MMLogger.get_current_instance().log_file
                folder = (
                    Path(log_file).parent
                    if log_file
                    else stack.enter_context(tempfile.TemporaryDirectory())
                )
                self.outfile_prefix = str(Path(folder) / 'detections')
            try:
                metrics = super().compute_metrics(results)
            finally:
                self.outfile_prefix = given
            if not self.format_only:
                metrics.update(self._by_stratum())
        return metrics

    def results2json(self, results: Sequence[dict], outfile_prefix: str) -> dict[str, str]:
        partial = f'{outfile_prefix}.partial'
        written = super().results2json(results, partial)
        self.kept = {}
        for kind, path in written.items():
            self.kept[kind] = outfile_prefix + path[len(partial) :]
            if Path(path).exists():  # two kinds may share a file
                Path(path).replace(self.kept[kind])
        return self.kept

    def _by_stratum(self) -> dict[str, float]:
        """Return AP and number of objects of each stratum."""
        if self._truth is None:
            self._truth = load_annotations(self._coco_api.dataset)
        truth, strata = _of_classes(self._truth, self.strata, self.cat_ids)
        kinds = [metric for metric in self.metrics if metric in ('bbox', 'segm')]
        found: dict[str, float] = {}
        for kind in kinds:
            evaluation = evaluate(truth, self.kept[kind], strata, iou_type=kind)
            between = f'_{kind}' if kind == 'segm' and 'bbox' in kinds else ''
            for name, values in evaluation.strata.items():
                ap = values['AP']
                found[f'clutter/{name}{between}_AP'] = UNDEFINED if np.isnan(ap) else ap
        for label, name in enumerate(strata.names):
            found[f'clutter/{name}_objects'] = int((strata.labels == label).sum())
        return found


def _of_classes(
    truth: Annotations, rule: Strata, category_ids: Sequence[int]
) -> tuple[Annotations, Stratification]:
    """Return the objects of some classes, and their strata among the objects of all classes."""
    strata = stratify(rule, truth)
    kept = [index for index, one in enumerate(truth.category_ids) if one in set(category_ids)]
    if len(kept) == len(truth.category_ids):
        return truth, strata
    mine = np.isin(truth.category, kept)
    arrays: dict[str, Any] = {
        name: getattr(truth, name)[mine]
        for name in ('ids', 'image', 'boxes', 'area', 'iscrowd', 'ignore')
    }
    part = dataclasses.replace(
        truth,
        category_ids=[truth.category_ids[index] for index in kept],
        category_names=[truth.category_names[index] for index in kept],
        category=np.searchsorted(kept, truth.category[mine]).astype(truth.category.dtype),
        records=[record for record, one in zip(truth.records, mine) if one],
        **arrays,
    )
    return part, dataclasses.replace(strata, labels=strata.labels[mine])
