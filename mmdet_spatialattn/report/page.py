"""Pages in one file: figures and pictures are inlined, nothing is fetched, all text is escaped."""

from datetime import date
from typing import Any

from ..errors import require
from ..io import PathLike, atomic_path
from ..plots import dark_palette
from ..results import Refused
from ..version import __version__
from .palette import COLORS


def write_page(path: PathLike, template: str, *, n_strata: int = 3, **context: Any) -> None:
    """Render a template of this package and write the page atomically.

    Args:
        path: The file to write.
        template: File name of the template.
        n_strata: Number of strata, whose colours the figures have.
        **context: Variables of the template. Its filter ``figure`` shows a Plotly figure, its test
            ``refused`` recognises a :class:`~mmdet_spatialattn.results.Refused`.

    Raises:
        UserError: Jinja2 or Plotly is not installed, or the file cannot be written.
    """
    html = render(template, n_strata=n_strata, **context)
    with atomic_path(path) as temporary:
        temporary.write_text(html, encoding='utf-8')


def render(template: str, *, n_strata: int = 3, **context: Any) -> str:
    """Return the page of a template; see :func:`write_page`."""
    jinja2, plotly = require('jinja2', 'report'), require('plotly.offline', 'report')
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('mmdet_spatialattn.report'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['figure'] = _figure_html
    environment.tests['refused'] = lambda value: isinstance(value, Refused)
    return environment.get_template(template).render(
        version=__version__,
        today=date.today().isoformat(),
        palette=COLORS,
        dark_figures=dark_palette(n_strata),
        plotly_js=Markup(plotly.get_plotlyjs()),
        **context,
    )


def _figure_html(figure: Any, name: str) -> Any:
    """Return a place for a Plotly figure and its data, which the script of the page draws.

    Args:
        figure: The figure.
        name: A name that is unique in its page.
    """
    from markupsafe import Markup

    place = '<div id="figure-{}" class="figure" style="min-height: {}px"></div>'
    html = Markup(place).format(name, figure.layout.height)
    # Plotly escapes '<', '>' and '/' in the data it writes.
    return html + Markup(f'<script type="application/json">{figure.to_json()}</script>')
