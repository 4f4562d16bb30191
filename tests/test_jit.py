"""Compilation where nothing can be written."""

import subprocess
import sys

CODE = """
import numba.core.caching as caching

class Nowhere:
    @classmethod
    def from_function(cls, *args):
        return None

caching.CacheImpl._locator_classes = [Nowhere]
from mmdet_spatialattn.jit import jit

@jit
def double(x):
    return 2 * x

assert double(21) == 42
"""


def test_a_read_only_installation_compiles_without_a_cache():
    subprocess.run([sys.executable, '-c', CODE], check=True, timeout=120)


def test_the_package_needs_neither_detector_nor_torch():
    code = (
        'import sys, mmdet_spatialattn.evaluation;'
        "assert not {'torch', 'mmdet', 'mmcv', 'mmengine'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
