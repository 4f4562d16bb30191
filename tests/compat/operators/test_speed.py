"""Our functions cost what torchvision's cost, and the package's import next to nothing.

The bounds leave room for a busy machine; ``tools/benchmarks`` measures.
"""

import runpy

import pytest


@pytest.mark.slow
def test_nms_and_roi_align_cost_what_torchvisions_cost(repository):
    benchmark = runpy.run_path(str(repository / 'tools/benchmarks/operators.py'))
    cases = {name: calls for name, *calls in benchmark['cases']('cpu')}
    for name in ('mmcv._ext.nms, 1000 boxes', 'mmcv._ext.roi_align_forward, 64 regions'):
        *_, ratio = benchmark['compare'](*cases[name], 20, 'cpu')
        assert ratio < 1.2, name


def test_importing_the_package_takes_less_than_three_tenths_of_a_second(repository):
    benchmark = runpy.run_path(str(repository / 'tools/benchmarks/import_time.py'))
    assert benchmark['import_seconds'](3) < 0.3
