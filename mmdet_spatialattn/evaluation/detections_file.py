"""The detections of a test, written in COCO's result format."""

from collections.abc import Sequence

from mmdet.evaluation import DumpDetResults
from mmengine.evaluator import BaseMetric

from ..coco.detection_forms import sample_records
from ..io import PathLike, write_json


class DetectionsFile(DumpDetResults):
    """Collects the predictions of a test as mmdet's ``DumpDetResults`` does, and writes JSON.

    Masks are written beside the boxes.

    Args:
        path: The file to write.
        category_ids: The ids of the classes in the order of the labels, as ``CocoDataset`` has them
            in ``cat_ids``.
    """

    def __init__(self, path: PathLike, category_ids: Sequence[int]) -> None:
        BaseMetric.__init__(self)  # the parent's own accepts names of pickles only
        self.path, self.category_ids = path, category_ids

    def compute_metrics(self, results: list) -> dict:
        records = [
            record
            for i, sample in enumerate(results)
            for record in sample_records(sample, self.category_ids, f'prediction {i}')
        ]
        write_json(self.path, records, indent=None)
        return {}
