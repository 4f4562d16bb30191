"""Docstrings in the documentation: reStructuredText becomes what mkdocstrings shows.

The docstrings of the package name things as ``:class:`Estimate```, have formulas as ``:math:`x```
and one ``Example:``, which ``help()`` shows well. mkdocstrings reads the package with griffe, and
this extension of griffe turns names into code, formulas into MathML, which browsers draw without a
script, and doctests into a section with code.
"""

import re
from typing import Any

import griffe
from latex2mathml.converter import convert

ROLE = re.compile(r':(\w+):`~?([^`]+)`')
EXAMPLE = re.compile(r'^Example:$', re.MULTILINE)


def to_markdown(text: str) -> str:
    """Return a docstring as mkdocstrings expects it."""
    return EXAMPLE.sub('Examples:', ROLE.sub(_markup, text))


def _markup(role: re.Match) -> str:
    kind, content = role.groups()
    if kind != 'math':
        return f'`{content}`'
    # Within a span it stays in its sentence: Markdown takes a line that begins with <math> as HTML.
    return f'<span class="formula">{convert(" ".join(content.split()))}</span>'


class Docstrings(griffe.Extension):
    """Rewrites every docstring when it is read."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
