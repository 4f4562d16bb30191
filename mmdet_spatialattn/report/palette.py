"""Colours of the pages, each for a light and for a dark background."""

from ..plots import CHOSEN, DARK, GRID, INK, OTHER, PAPER, SHADE

COLORS = {
    'ink': (INK, DARK[INK]),
    'soft': ('#52606d', '#a9b4bf'),
    'paper': (PAPER, DARK[PAPER]),
    'tint': (SHADE, DARK[SHADE]),
    'line': (GRID, DARK[GRID]),
    'link': ('#245a8c', '#82b8ee'),
    'good': ('#0b5d3b', '#7fd6ab'),
    'good-tint': ('#e5f3ec', '#16332a'),
    'bad': ('#8c1d3f', '#f4a3b8'),
    'bad-tint': ('#f9e8ec', '#3b1c26'),
    'mixed': ('#7a4f00', '#e8bd6a'),
    'mixed-tint': ('#faf0dc', '#332913'),
    'none': ('#3e4c59', '#c3ccd5'),
    'none-tint': ('#f0f3f6', '#262f38'),
    'chosen': (CHOSEN, DARK[CHOSEN]),
    'other': (OTHER, DARK[OTHER]),
}
"""By name of a CSS variable, its colour on a light and on a dark background."""
