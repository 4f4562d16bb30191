"""A finished sweep is opened again without work, until something that it was made of changes."""

import os
from dataclasses import replace

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.experiments import collect_sweep, run_sweep
from mmdet_spatialattn.experiments.plan import until_clear
from mmdet_spatialattn.experiments.reopen import read_collected
from mmdet_spatialattn.experiments.sweep import MANIFEST, protocol
from mmdet_spatialattn.io import write_json
from tests.experiments.sets import finish, small_plan, small_scenes


@pytest.fixture(scope='module')
def sweep(tmp_path_factory):
    """A finished sweep that was collected: its plan, folder and result."""
    home = tmp_path_factory.mktemp('home')
    plan, folder = small_plan(small_scenes(home / 'scenes')), home / 'runs'
    finish(plan, folder, home / 'scenes', {'plain': 6, 'cbam': 3})
    write_json(folder / MANIFEST, protocol(plan))
    return plan, folder, run_sweep(plan, folder, device='cpu')


def test_nothing_is_done_again(sweep, monkeypatch):
    plan, folder, result = sweep
    monkeypatch.setattr('mmdet_spatialattn.experiments.sweep._check', None)
    assert run_sweep(plan, folder, device='cpu') == result
    assert collect_sweep(plan, folder, device='cpu') == result


def test_what_has_changed_makes_it_stale(sweep):
    plan, folder, result = sweep

    def fresh(plan=plan, device='cpu', ended=True):
        return read_collected(plan, folder, device, ended=ended) == result

    assert fresh()
    assert not fresh(replace(plan, n_boot=7)) and not fresh(device='cuda')
    assert not fresh(replace(plan, overrides={**plan.overrides, 'train_cfg.max_epochs': 9}))
    for path in (folder / plan.runs[0].detections, folder / 'cost.json'):
        before = path.stat()
        os.utime(path, ns=(0, 0))
        assert not fresh()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert fresh()
    content = (folder / 'report.html').read_bytes()
    (folder / 'report.html').unlink()
    assert not fresh()
    (folder / 'report.html').write_bytes(content)


def test_a_sweep_that_waits_for_seeds_is_collected_but_has_not_ended(sweep):
    plan, folder, _ = sweep
    open_plan = until_clear(plan, max_seeds=3)
    write_json(folder / MANIFEST, protocol(open_plan))
    result = collect_sweep(open_plan, folder, device='cpu')
    assert read_collected(open_plan, folder, 'cpu', ended=False) == result
    assert read_collected(open_plan, folder, 'cpu', ended=True) is None
