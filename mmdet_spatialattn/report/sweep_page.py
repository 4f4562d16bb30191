"""The page of a sweep, and its short form for a pull request: what ``verdict.json`` says.

Both are made from the sweep's folder alone, which stays as it is but for the two files::

    verdict.json                          every number; deterministic
    cost.json                             measured times
    <arm>/seed_<k>/detections.bbox.json   for the pictures
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..clutter import SIZES, Strata
from ..clutter.measures import MEANINGS
from ..clutter.table import ENOUGH
from ..coco import load_annotations
from ..errors import UserError, require
from ..evaluation.error_types import ERROR_TYPES
from ..io import PathLike, atomic_path
from ..tables import markdown_table, markdown_text
from .gallery import (
    ARM,
    BASELINE,
    OBJECTS,
    RIGHT_COLOR,
    TRUTH_COLOR,
    WRONG_COLOR,
    Gallery,
    galleries,
    strata_examples,
)
from .page import Picture, write_page
from .sweep_tables import Sweep, at_place, estimate_in


def write_verdict_page(folder: PathLike) -> Path:
    """Write the page of a sweep, ``report.html``: one file that needs no network.

    What is missing (images, doses, costs, an arm's runs) is said on the page.

    Args:
        folder: Of the sweep, with its ``verdict.json``.

    Returns:
        The page.

    Raises:
        UserError: ``verdict.json`` is absent or of another kind, Jinja2 or Plotly is not installed,
            or the page cannot be written.
    """
    require('plotly', 'report')
    from .figures import stratum_colors

    sweep = Sweep(folder)
    path = sweep.folder / 'report.html'
    write_page(
        path,
        'verdict.html',
        version=__version__,
        sweep=sweep,
        figures=_figures(sweep),
        pictures=_pictures(sweep),
        colors=stratum_colors(len(sweep.strata)),
        sizes=list(SIZES),
        enough=ENOUGH,
        meanings=MEANINGS,
        layers={'objects': OBJECTS, 'baseline': BASELINE, 'arm': ARM},
        box_colors={'right': RIGHT_COLOR, 'wrong': WRONG_COLOR, 'object': TRUTH_COLOR},
    )
    return path


def write_verdict_markdown(folder: PathLike) -> Path:
    """Write the short form of a sweep's page, ``report.md``, for a pull request.

    Args:
        folder: Of the sweep, with its ``verdict.json``.

    Returns:
        The file.

    Raises:
        UserError: ``verdict.json`` is absent or of another kind, or the file cannot be written.
    """
    sweep = Sweep(folder)
    path = sweep.folder / 'report.md'
    with atomic_path(path) as temporary:
        temporary.write_text('\n\n'.join(_markdown(sweep)) + '\n', encoding='utf-8')
    return path


class Pictures(NamedTuple):
    """The pictures of a page, or why there are none."""

    missing: str
    strata: list[Picture]
    galleries: dict[str, Gallery]


def _pictures(sweep: Sweep) -> Pictures:
    settings = sweep.comparison['settings']
    try:
        annotations = load_annotations(sweep.path(sweep.data['data']['annotations']))
        by = settings.get('group_by')
        group = annotations.image_field(by) if by else None
        strata = Strata(settings['measure'], tuple(settings['cuts']))
        folder = sweep.path(sweep.data['data']['images'])
        examples = strata_examples(annotations, folder, strata, group)
        runs = {arm: [sweep.path(file) for file in files] for arm, files in sweep.runs.items()}
        found = galleries(annotations, folder, runs, sweep.baseline, group)
        return Pictures('', examples, found)
    except UserError as error:
        return Pictures(str(error), [], {})


def _figures(sweep: Sweep) -> dict[str, Any]:
    """Return the figures of the page; ``None`` where there is nothing to draw."""
    from . import figures as draw

    comparison, dose = sweep.comparison, sweep.dose
    effects, gains = draw.effect_series(comparison), draw.gain_series(comparison)
    dots = {
        place: {
            arm: [at_place(run, place).get('AP') for run in of['runs']]
            for arm, of in comparison['arms'].items()
        }
        for place in (sweep.places[0], sweep.places[-1])
    }
    found = {arm: estimate_in(sweep.effect(arm, 'overall')) for arm in sweep.others}
    zero = {'estimate': 0.0, 'low': 0.0, 'high': 0.0}
    ratios = {arm: sweep.ratios(arm) for arm in sweep.arms}
    errors = {
        arm: draw.place_series(
            sweep.strata,
            {
                kind: {
                    place: estimate_in(sweep.effect(arm, place, 'error_effects'), kind)
                    for place in sweep.places
                }
                for kind in ERROR_TYPES
            },
        )
        for arm in sweep.others
    }
    curves = {}
    if dose:
        for part, title in (('arms', 'AP in points'), ('effects', draw.EFFECT)):
            values = {arm: of['AP'] for arm, of in dose[part].items()}
            figure = draw.dose_curves(dose['doses'], values, (dose['field'], title))
            curves[part] = _or_none(figure)
    return {
        'effects': _or_none(draw.forest(effects, sweep.others, draw.EFFECT)),
        'gains': _or_none(draw.forest(gains, sweep.others, 'clutter gain in AP points')),
        'runs': {
            place: _or_none(draw.run_dots(values, sweep.baseline)) for place, values in dots.items()
        },
        'dose': curves,
        'cost': draw.cost_against_effect(ratios, {sweep.baseline: zero, **found}, sweep.kinds[0])
        if sweep.kinds and any(found.values())
        else None,
        'errors': {
            arm: _or_none(draw.forest(series, ERROR_TYPES, 'change of the cost, AP50 points'))
            for arm, series in errors.items()
        },
    }


def _or_none(figure: Any) -> Any:
    """Return a figure, ``None`` where nothing is drawn in it."""
    return figure if any(trace.x for trace in figure.data) else None


def _markdown(sweep: Sweep) -> Iterator[str]:
    """Yield the paragraphs of the Markdown."""
    yield f'## {markdown_text(sweep.plan["name"])}: does it help in clutter?'
    yield ' '.join(map(markdown_text, sweep.answer))
    yield '\n'.join(
        f'- **{markdown_text(arm)}**: {markdown_text(sweep.sentence(arm))}' for arm in sweep.others
    )
    for table in (sweep.summary_table(), sweep.cost_table()):
        yield f'{markdown_text(table.caption)}:'
        yield markdown_table(table.header, table.rows)
    failed = [markdown_text(one['run']) for one in sweep.data['failed']]
    if failed:
        yield f'Failed runs: {", ".join(failed)}.'
    if sweep.notes:
        yield '\n'.join(f'- Note: {markdown_text(note)}' for note in sweep.notes)
    setup = '\n'.join(f'- {k}: {markdown_text(v)}' for k, v in sweep.setup.items())
    yield f'<details><summary>How to repeat it</summary>\n\n{setup}'
    yield f'{_fenced(sweep.plan_file)}\n\n</details>'


def _fenced(text: str) -> str:
    """Return a text as a block of code, whatever stands in it."""
    fence = '```'
    while fence in text:
        fence += '`'
    return f'{fence}json\n{text}\n{fence}'
