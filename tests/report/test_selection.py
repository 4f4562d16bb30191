"""The images that a page shows are those that change most."""

import numpy as np

from mmdet_spatialattn.report.selection import most_different


def test_images_are_chosen_at_both_ends_and_one_per_group():
    change = np.array([-5.0, -4.0, -3.0, 0.0, 1.0, 2.0])
    assert most_different(change, 4) == [0, 1, 5, 4]
    assert most_different(change, 4, 'aabcdd') == [0, 2, 5]
    assert most_different(change[:4], 4) == [0, 1, 2]
    assert most_different(np.zeros(3), 4) == []
