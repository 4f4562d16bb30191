"""One-file pages: templates, figures and pictures inlined, nothing fetched, everything escaped."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import require
from ..io import PathLike, atomic_path
from ..tables import short

PICTURE_SIDE = 480
"""Longest side of an inlined picture in pixels."""


@dataclass(frozen=True)
class Box:
    """A box on a picture.

    Attributes:
        box: x, y, width, height in pixels of the image.
        color: Of its line.
        title: What it is, shown when pointed at.
        label: A word or two beside it.
        dashed: Whether its line is.
    """

    box: Sequence[float]
    color: str
    title: str
    label: str = ''
    dashed: bool = False


@dataclass(frozen=True)
class Layer:
    """What lies over a picture and is shown or hidden as one.

    A control of a page shows the layers whose name is its ``data-layer``.
    """

    name: str
    boxes: Sequence[Box]


@dataclass(frozen=True)
class Picture:
    """An inlined picture with layers over it.

    Attributes:
        source: A ``data:`` URI.
        width, height: Of the image, in whose pixels the layers are.
        layers: What is drawn over it, the first at the bottom.
        caption: What stands below it.
        alt: What it shows, for those who do not see it.
    """

    source: str
    width: int
    height: int
    layers: Sequence[Layer]
    caption: str
    alt: str


def picture(image: np.ndarray, layers: Sequence[Layer], caption: str, alt: str) -> Picture:
    """Inline an image, ``(H, W, 3)`` uint8 BGR, as a small JPEG."""
    cv2 = require('cv2', 'lite')
    height, width = image.shape[:2]
    scale = min(PICTURE_SIDE / max(height, width), 1)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    source = f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
    return Picture(source, width, height, layers, caption, alt)


def bounds(cuts: Sequence[float]) -> list[str]:
    """Say in words which values belong to each stratum.

    Example:
        >>> bounds((0.1, 0.3))
        ['below 0.1', 'from 0.1 to 0.3', '0.3 and above']
    """
    inner = [f'from {low:g} to {high:g}' for low, high in zip(cuts, cuts[1:])]
    return [f'below {cuts[0]:g}', *inner, f'{cuts[-1]:g} and above']


def write_page(path: PathLike, template: str, **context: Any) -> None:
    """Render a template of this folder and write the page, atomically.

    Args:
        path: The file.
        template: Name of the template.
        **context: What it shows. Plotly figures go through its ``figure`` filter.

    Raises:
        UserError: Jinja2 or Plotly is not installed, or the file cannot be written.
    """
    html = render(template, **context)
    with atomic_path(path) as temporary:
        temporary.write_text(html, encoding='utf-8')


def render(template: str, **context: Any) -> str:
    """Return the page that a template makes; see :func:`write_page`."""
    jinja2, plotly = require('jinja2', 'report'), require('plotly.offline', 'report')
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('mmdet_spatialattn.report'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=figure_html, short=short)
    script = Markup(plotly.get_plotlyjs())
    return environment.get_template(template).render(plotly_js=script, **context)


def figure_html(figure: Any, name: str) -> Any:
    """Return a Plotly figure as a part of a page; ``name`` is unique in it."""
    from markupsafe import Markup

    html = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f'figure-{name}',
        config={'responsive': True, 'displayModeBar': False, 'plotlyServerURL': ''},
    )
    return Markup(html)  # Plotly escapes '<', '>' and '/' in the data it writes
