"""The page of ``spatialattn compare``: that of a sweep, without what only trainings can tell."""

from pathlib import Path
from typing import Optional

from ..io import PathLike
from ..results import Comparison, PlanSummary, SweepResult
from .sweep_page import write_sweep_page


def write_comparison_page(
    comparison: Comparison, path: PathLike, *, images: Optional[PathLike] = None
) -> None:
    """Write the page of a comparison: one file that needs no network.

    Args:
        comparison: The comparison. For the pictures, its files of annotations and detections are
            read again.
        path: The file to write.
        images: Folder of the images. If it is given, the page shows those in which the arms differ
            most, and examples of the strata.

    Raises:
        UserError: Jinja2 or Plotly is not installed, or the file cannot be written.
    """
    test_set = comparison.test_set
    result = SweepResult(
        plan=PlanSummary(Path(test_set.file).stem, comparison.baseline, seeds=(), arms={}),
        annotations=test_set.file,
        images='' if images is None else str(images),
        comparison=comparison,
        dose=None,
        costs={},
        audits={},
        differences={},
        runs=(),
    )
    write_sweep_page(result, Path(), path=path)
