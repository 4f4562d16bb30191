"""COCO's metric during training and testing, with an AP per stratum of clutter."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
from mmdet.evaluation import CocoMetric
from mmengine.logging import MMLogger

from ..clutter import Strata, Stratification, stratify
from ..coco import Annotations, load_annotations
from ..registry import METRICS
from ..results import Refused
from .evaluator import evaluate
from .metrics import MAX_DETECTIONS, UNDEFINED, max_detections_up_to


@METRICS.register_module()
class ClutterCocoMetric(CocoMetric):
    """mmdet's ``CocoMetric`` with an AP for every stratum of clutter.

    The keys of ``CocoMetric`` and their numbers do not change. Every stratum adds
    ``clutter/<stratum>_AP`` and ``clutter/<stratum>_objects``; masks add
    ``clutter/<stratum>_segm_AP`` if boxes are evaluated too. Compare an AP with that of another
    detector in the same stratum, not with that of another stratum. It is -1 in a stratum without
    objects, as in COCO. It is COCO's AP: at most ``max_detections`` detections of a class and
    image, the ten IoU thresholds, and the classes of the data set. Objects without ``iscrowd`` are
    no crowd.

    The detections of the last evaluation are kept for ``spatialattn compare``, at
    ``outfile_prefix`` or as ``detections.bbox.json`` in the folder of the run's log.

    Args:
        strata: The rule, such as ``'cover:0.1,0.3'``; see
            :meth:`~mmdet_spatialattn.clutter.Strata.parse`.
        max_detections: Detections of a class and image that count in strata, the highest scores
            first; more than COCO's 100 where images hold more objects.
        prefix: As in ``CocoMetric``; any prefix but ``'coco'`` is also put before ``clutter/``.
        **kwargs: See ``mmdet.evaluation.CocoMetric``.

    Raises:
        UserError: The rule cannot be read, or the annotations are not valid.

    Example:
        >>> val_evaluator = dict(
        ...     type='mmdet_spatialattn.ClutterCocoMetric', ann_file='annotations/val.json'
        ... )
    """

    outfile_prefix: Optional[str]

    def __init__(
        self,
        *args,
        strata: str = 'cover',
        max_detections: int = MAX_DETECTIONS[-1],
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.strata = Strata.parse(strata)
        self.max_detections = max_detections_up_to(max_detections)
        self.kept: dict[str, str] = {}
        # Here, because the evaluation changes the annotations that the COCO API holds.
        self._annotations = self._coco_api and load_annotations(self._coco_api.dataset)
        for record in self._coco_api.dataset['annotations'] if self._coco_api else ():
            record['iscrowd'] = record.get('iscrowd') or 0  # pycocotools asks for it

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
        given_prefix = self.outfile_prefix
        with contextlib.ExitStack() as stack:
            if given_prefix is None:
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
                self.outfile_prefix = given_prefix
            if not self.format_only:
                metrics.update(self._stratum_metrics())
        return metrics

    def results2json(self, results: Sequence[dict], outfile_prefix: str) -> dict[str, str]:
        partial_prefix = f'{outfile_prefix}.partial'
        written = super().results2json(results, partial_prefix)
        self.kept = {}
        for iou_type, path in written.items():
            self.kept[iou_type] = outfile_prefix + path[len(partial_prefix) :]
            if Path(path).exists():  # two types may share a file
                Path(path).replace(self.kept[iou_type])
        return self.kept

    def _stratum_metrics(self) -> dict[str, float]:
        """Return the AP and the number of objects of each stratum."""
        if self._annotations is None:
            self._annotations = load_annotations(self._coco_api.dataset)
        annotations, strata = _select_classes(self._annotations, self.strata, self.cat_ids)
        iou_types = [metric for metric in self.metrics if metric in ('bbox', 'segm')]
        metrics: dict[str, float] = {}
        for iou_type in iou_types:
            infix = '_segm' if iou_type == 'segm' and 'bbox' in iou_types else ''
            detections = self.kept[iou_type]
            evaluation = evaluate(
                annotations,
                detections,
                strata=strata,
                iou_type=iou_type,
                max_detections=self.max_detections,
            )
            for stratum in strata.names:
                ap = evaluation.metrics[stratum]['AP']
                # MMEngine logs floats, and mmdet -1 for what is undefined.
                metrics[f'clutter/{stratum}{infix}_AP'] = (
                    UNDEFINED if isinstance(ap, Refused) else ap
                )
        for label, stratum in enumerate(strata.names):
            metrics[f'clutter/{stratum}_objects'] = int((strata.labels == label).sum())
        return metrics


def _select_classes(
    annotations: Annotations, rule: Strata, category_ids: Sequence[int]
) -> tuple[Annotations, Stratification]:
    """Return the objects of some classes, and their strata among the objects of all classes."""
    strata = stratify(annotations, rule)
    wanted = set(category_ids)
    kept = [i for i, category_id in enumerate(annotations.category_ids) if category_id in wanted]
    if len(kept) == len(annotations.category_ids):
        return annotations, strata
    selected = np.isin(annotations.category, kept)
    columns: dict[str, Any] = {
        name: getattr(annotations, name)[selected]
        for name in ('ids', 'image', 'boxes', 'area', 'iscrowd', 'ignore')
    }
    category = np.searchsorted(kept, annotations.category[selected])
    subset = dataclasses.replace(
        annotations,
        category_ids=[annotations.category_ids[i] for i in kept],
        category_names=[annotations.category_names[i] for i in kept],
        category=category.astype(annotations.category.dtype),
        records=[annotations.records[i] for i in np.flatnonzero(selected)],
        **columns,
    )
    return subset, dataclasses.replace(strata, labels=strata.labels[selected])
