"""Colours of the pages: text and marks have enough contrast, in the light and in the dark."""

import pytest

from mmdet_spatialattn.plots import (
    BAR_COLOR,
    CHOSEN,
    DARK,
    GAIN_STYLES,
    INK,
    OTHER,
    PAPER,
    SIZE_COLORS,
    STRATUM_COLORS,
    dark_palette,
    stratum_colors,
)
from mmdet_spatialattn.report.palette import COLORS

TEXTS = [
    *((text, ground) for text in ('ink', 'soft', 'link') for ground in ('paper', 'tint')),
    *((kind, f'{kind}-tint') for kind in ('good', 'bad', 'mixed', 'none')),
    *(('ink', ground) for ground in ('mixed-tint', 'none-tint')),
    ('link', 'mixed-tint'),
]
GAIN_COLORS = [color for color, _ in GAIN_STYLES.values()]
MARKS = (INK, BAR_COLOR, *STRATUM_COLORS, *SIZE_COLORS, *GAIN_COLORS, CHOSEN, OTHER)


def luminance(color):
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast('#000000', '#ffffff') == pytest.approx(21)
    assert contrast('#777777', '#ffffff') == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize('text, ground', TEXTS)
def test_text_can_be_read(text, ground):
    for scheme in (0, 1):
        assert contrast(COLORS[text][scheme], COLORS[ground][scheme]) >= 4.5


@pytest.mark.parametrize('color', MARKS)
def test_marks_can_be_seen(color):
    assert contrast(color, PAPER) >= 3
    assert contrast(DARK[color], DARK[PAPER]) >= 3


def test_every_number_of_strata_has_colours_in_the_dark():
    for n in (1, 2, 3, 5):
        assert set(stratum_colors(n)) <= set(dark_palette(n))
