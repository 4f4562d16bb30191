"""Outlines of masks: SVG paths through the centres of their border pixels."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mmdet_spatialattn.report.pictures import Box, mask_outline


def encoded(rows):
    pixels = np.array([[character == '#' for character in row] for row in rows], np.uint8)
    return mask_api.encode(np.asfortranarray(pixels))


@pytest.mark.parametrize(
    ('rows', 'path'),
    [
        (['....', '.##.', '.##.', '....'], 'M1.5 1.5l0 1 1 0 0 -1z'),
        (['....', '..#.'], 'M2.5 1.5l0 0z'),
        (['....', '....'], ''),
    ],
    ids=['square', 'pixel', 'empty'],
)
def test_an_outline_follows_the_border(rows, path):
    assert mask_outline(encoded(rows)) == path


def test_holes_and_parts_have_outlines_of_their_own():
    rows = ['#####..', '#...#..', '#...#.#', '#...#..', '#####..']
    assert mask_outline(encoded(rows)).count('M') == 3


def test_a_box_is_drawn_where_there_is_no_outline():
    box = Box((1.25, 2, 3, 4), '#000000', 'title')
    assert box.path == 'M1.25 2h3v4h-3z'
    assert box._replace(outline='M0 0z').path == 'M0 0z'
