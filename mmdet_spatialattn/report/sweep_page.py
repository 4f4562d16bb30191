"""The page of a sweep, ``report.html``: one file that needs no network."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from ..clutter import ENOUGH, MEANINGS, Strata
from ..coco import load_annotations
from ..errors import UserError, require
from ..io import PathLike
from ..plots import CHOSEN, INK, OTHER, stratum_colors
from ..results import Refused, SweepResult
from ..results.test_set import SIZES
from .alerts import sweep_alerts
from .comparison_sections import comparison_sections
from .gallery import (
    FALSE_COLOR,
    MISSED_COLOR,
    TRUE_COLOR,
    Galleries,
    galleries,
)
from .page import write_page
from .pictures import Picture
from .strata import strata_examples, stratum_bounds
from .sweep_costs import cost_ratios, known_kinds, missing_times, with_times
from .sweep_figures import sweep_figures
from .sweep_tables import sweep_tables
from .sweep_text import number_of_runs, plan_file, setup, title

PAGE_OF_BOXES = 'report.boxes.html'
"""File of the page by boxes, beside a page by masks."""

CONTENTS = (
    ('arms', 'The answer'),
    ('confidence', 'How sure is this?'),
    ('alerts', 'Alerts'),
    ('shapes', 'Masks and boxes'),
    ('effects', 'Effects by stratum'),
    ('gains', 'Clutter gain'),
    ('power', 'What this comparison can see'),
    ('runs', 'Runs'),
    ('arm-in-detail', 'One arm in detail'),
    ('strata', 'Strata'),
    ('repeat', 'How to repeat it'),
)
"""The sections of the page, by their anchors."""


class Pictures(NamedTuple):
    """The pictures of a page, or the reason why there are none."""

    missing: str
    strata: Sequence[Picture]
    galleries: Galleries


def write_sweep_page(
    result: SweepResult, folder: PathLike, *, path: Optional[PathLike] = None
) -> Path:
    """Write the page of a sweep.

    The page states what is missing: images, doses, costs, the runs of an arm. Of a result without
    runs, it leaves out what only trainings can tell.

    Args:
        result: The result of the sweep.
        folder: The sweep's folder, where images, detections and measured times are looked up.
        path: The file to write; ``report.html`` in the folder by default.

    Returns:
        The page.

    Raises:
        UserError: Jinja2 or Plotly is not installed, ``cost.json`` cannot be read, or the page
            cannot be written.
    """
    require('plotly', 'report')
    folder = Path(folder)
    path = folder / 'report.html' if path is None else Path(path)
    comparison = result.comparison
    costs = with_times(result.costs, folder)
    ratios = cost_ratios(costs, comparison.baseline)
    kinds = known_kinds(ratios, comparison.effects)
    write_page(
        path,
        'sweep.html',
        result=result,
        title=title(result),
        number_of_runs=number_of_runs(result),
        contents=_contents(result),
        page_of_boxes=PAGE_OF_BOXES,
        setup=setup(result),
        plan_file=plan_file(result.plan),
        **comparison_sections(
            comparison, sweep_alerts(result, folder), control=result.plan.control, ratios=ratios
        ),
        chosen=_first_arm(result),
        tables=sweep_tables(result, costs),
        figures=sweep_figures(result, folder, ratios, kinds[0] if kinds else None),
        cost_kinds=kinds,
        missing_times=missing_times(costs),
        pictures=_pictures(result, folder),
        box_colors={'true': TRUE_COLOR, 'false': FALSE_COLOR, 'missed': MISSED_COLOR},
        emphasis=(CHOSEN, INK, OTHER),
        n_strata=len(comparison.strata),
        bounds=stratum_bounds(comparison.settings.cuts),
        colors=stratum_colors(len(comparison.strata)),
        sizes=SIZES,
        enough=ENOUGH,
        meanings=MEANINGS,
    )
    return path


def _contents(result: SweepResult) -> list[tuple[str, str]]:
    absent = {'power': not result.comparison.power, 'shapes': result.boxes is None}
    return [(anchor, name) for anchor, name in CONTENTS if not absent.get(anchor)]


def _pictures(result: SweepResult, folder: Path) -> Pictures:
    if not result.images:
        return Pictures('no folder of images was given', [], Galleries({}, {}))
    settings = result.comparison.settings
    image_folder = result.path(folder, result.images)
    try:
        annotations = load_annotations(result.path(folder, result.annotations))
        group = annotations.image_field(settings.group_by) if settings.group_by else None
        strata = Strata(settings.measure, settings.cuts)
        examples = strata_examples(annotations, image_folder, strata, group=group)
        runs = {
            name: [result.path(folder, run.source) for run in arm.runs]
            for name, arm in result.comparison.arms.items()
        }
        arms = galleries(
            annotations,
            image_folder,
            runs,
            baseline=settings.baseline,
            strata=strata.apply(annotations),
            iou_type=settings.iou_type,
            group=group,
        )
    except UserError as error:
        return Pictures(str(error), [], Galleries({}, {}))
    return Pictures('', examples, arms)


def _first_arm(result: SweepResult) -> Optional[str]:
    """Return the arm that is shown first: the one with the largest effect on AP."""

    def size(arm: str) -> float:
        effect = result.comparison.effect(arm)
        return -math.inf if isinstance(effect, Refused) else effect.estimate

    arms = list(result.comparison.effects)
    candidates = [arm for arm in arms if arm != result.plan.control]
    return max(candidates or arms, key=size, default=None)
