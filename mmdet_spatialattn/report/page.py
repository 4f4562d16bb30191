"""Pages in one file: figures and pictures are inlined, nothing is fetched, all text is escaped."""

from typing import Any

from ..errors import require
from ..io import PathLike, atomic_path
from ..results import Refused
from ..version import __version__


def write_page(path: PathLike, template: str, **context: Any) -> None:
    """Render a template of this package and write the page atomically.

    Args:
        path: The file to write.
        template: File name of the template.
        **context: Variables of the template. Its filter ``figure`` shows a Plotly figure, its test
            ``refused`` recognises a :class:`~mmdet_spatialattn.results.Refused`.

    Raises:
        UserError: Jinja2 or Plotly is not installed, or the file cannot be written.
    """
    html = render(template, **context)
    with atomic_path(path) as temporary:
        temporary.write_text(html, encoding='utf-8')


def render(template: str, **context: Any) -> str:
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
    script = Markup(plotly.get_plotlyjs())
    return environment.get_template(template).render(
        version=__version__, plotly_js=script, **context
    )


def _figure_html(figure: Any, name: str) -> Any:
    """Return a Plotly figure as HTML; ``name`` must be unique in its page."""
    from markupsafe import Markup

    html = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f'figure-{name}',
        config={'responsive': True, 'displayModeBar': False, 'plotlyServerURL': ''},
    )
    return Markup(html)  # Plotly escapes '<', '>' and '/' in the data it writes
