"""Unmodified MMDetection builds, trains and predicts; those models that reach the operators."""

import json
import os
import subprocess
import sys

import pytest

# Family and the operators that its model must call.
EXPECTED = {
    'carafe': {'carafe', 'nms', 'roi_align'},
    'dcn': {'deform_roi_pool', 'nms'},
    'dyhead': {'modulated_deform_conv', 'nms'},
    'fsaf': {'nms'},
    'guided_anchoring': {'deform_conv', 'masked_im2col', 'masked_col2im', 'nms'},
    'libra_rcnn': {'nms', 'roi_align'},
    'pisa': {'nms', 'nms_match', 'roi_align'},
    'reppoints': {'deform_conv', 'nms'},
}


@pytest.mark.slow
def test_families_that_use_different_operators_pass(repository):
    done = subprocess.run(
        [sys.executable, str(repository / 'tools/dev/mmdet_family.py'), *EXPECTED],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert {name: outcome['error'] for name, outcome in outcomes.items()} == dict.fromkeys(
        EXPECTED, ''
    )
    for name, operators in EXPECTED.items():
        assert operators <= set(outcomes[name]['operators']), name
