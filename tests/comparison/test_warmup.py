"""What is compiled ahead is all that a comparison needs."""

import subprocess
import sys

CODE = """
import numpy as np
from mmdet_spatialattn.comparison import compare, dose_response
from mmdet_spatialattn.clutter import scopes
from mmdet_spatialattn.evaluation import curve_kernel, error_types, jaccard, matching, metrics
from mmdet_spatialattn.evaluation import pairs
from mmdet_spatialattn.comparison import warm_up
from tests.evaluation.synthetic import random_problem

loops = [
    scopes._charge, pairs._box_ious, matching._match, error_types._classify,
    metrics._precisions, curve_kernel._fill_classes, jaccard._count,
]
warm_up()
ahead = [set(loop.signatures) for loop in loops]
assert all(ahead), ahead
for n_classes in (1, 3):
    truth, found = random_problem(np.random.default_rng(0), n_images=40, n_classes=n_classes)
    for i, image in enumerate(truth['images']):
        image['level'] = i % 2
    compare(truth, {'a': [found], 'b': [found, found[1:]]}, n_boot=100)
    dose_response(truth, {'a': [found], 'b': [found[1:]]}, field='level', n_boot=100)
assert [set(loop.signatures) for loop in loops] == ahead
"""


def test_nothing_is_left_to_compile(repository):
    subprocess.run([sys.executable, '-c', CODE], check=True, timeout=300, cwd=repository)
