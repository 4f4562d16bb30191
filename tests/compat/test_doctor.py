"""Every known conflict is found and has a remedy; a broken environment breaks no diagnosis."""

import json
import re
from dataclasses import replace

import pytest

from mmdet_spatialattn.compat import doctor
from mmdet_spatialattn.compat.doctor import Facts, diagnose
from mmdet_spatialattn.errors import UserError
from tests.processes import run

GOOD = Facts(
    python='3.11.7',
    installed={
        'torch': '2.14.1',
        'torchvision': '0.29.1',
        'mmcv-lite': '2.1.0',
        'mmengine': '0.10.7',
        'mmdet': '3.3.0',
        'numpy': '2.4.6',
        'opencv-python': '5.0.0.93',
        'pycocotools': '2.0.11',
        'setuptools': '80.10.2',
    },
    mmcv_below='2.2.0',
    needs_pkg_resources=True,
)


def installed(**changes) -> Facts:
    """The good installation with other versions; ``None`` takes one away."""
    versions = {**GOOD.installed, **{k.replace('_', '-'): v for k, v in changes.items()}}
    return replace(GOOD, installed={k: v for k, v in versions.items() if v})


def failing(facts: Facts = GOOD, **failures: str) -> Facts:
    return replace(facts, failures=failures)


NO_OPERATOR = 'RuntimeError: operator torchvision::nms does not exist'
CONFLICTS = {
    'no torch': (
        failing(installed(torch=None), torch='ModuleNotFoundError: torch'),
        ['error: torch cannot be imported .* -> pip install torch torchvision'],
    ),
    'no torchvision': (
        failing(installed(torchvision=None), torchvision='ModuleNotFoundError: torchvision'),
        [r"error: torchvision is not installed -> pip install 'torchvision==0\.29\.\*'"],
    ),
    'a torchvision of another release that does not load': (
        failing(installed(torchvision='0.24.0'), torchvision=NO_OPERATOR),
        [
            r'error: torchvision 0\.24\.0 cannot be imported beside torch 2\.14\.1 .*nms does not '
            r"exist.* -> pip install 'torchvision==0\.29\.\*' from the index that torch came from"
        ],
    ),
    'a torchvision of another build': (
        failing(installed(torch='2.14.1+cpu'), torchvision=NO_OPERATOR),
        [r'error: torchvision 0\.29\.1 cannot be imported beside torch 2\.14\.1\+cpu'],
    ),
    'a torchvision of another release that loads': (
        installed(torchvision='0.28.0'),
        [r'warning: torchvision 0\.28\.0 does not belong to the release of torch 2\.14\.1'],
    ),
    'both mmcv, of one version': (
        installed(mmcv='2.1.0'),
        [
            r'warning: mmcv 2\.1\.0 and mmcv-lite 2\.1\.0 are both installed .* '
            r'-> pip uninstall mmcv mmcv-lite, then install one of them again'
        ],
    ),
    'both mmcv, of two versions': (
        installed(mmcv='2.0.1'),
        [r'error: mmcv 2\.0\.1 and mmcv-lite 2\.1\.0 are both installed'],
    ),
    'mmdet beside its fork': (
        installed(onedl_mmdetection='3.5.1'),
        [r'error: mmdet 3\.3\.0 and onedl-mmdetection 3\.5\.1 are both installed'],
    ),
    'nothing of the host': (
        installed(mmcv_lite=None, mmengine=None, mmdet=None),
        [r"error: mmengine, mmcv, mmdet not installed -> pip install 'mmdet_spatialattn\[lite\]'"],
    ),
    'an mmcv that mmdet refuses': (
        failing(installed(mmcv='2.2.0', mmcv_lite=None), mmdet='AssertionError: MMCV==2.2.0'),
        [
            r'error: mmdet 3\.3\.0 needs mmcv < 2\.2\.0, and refuses mmcv 2\.2\.0 '
            r"-> pip uninstall mmcv, then pip install 'mmcv-lite<2\.2\.0'"
        ],
    ),
    'setuptools without pkg_resources': (
        failing(installed(setuptools='82.0.0'), pkg_resources='ModuleNotFoundError'),
        [
            r'error: MMEngine reads pkg_resources, which setuptools \(82\.0\.0\) does not provide '
            r"-> pip install 'setuptools<81'"
        ],
    ),
    'an OpenCV without its libraries': (
        failing(cv2='ImportError: libGL.so.1: cannot open shared object file'),
        [r'error: cv2 cannot be imported .*libGL.* -> .*pip install opencv-python-headless'],
    ),
    'an mmdet that does not load': (
        failing(mmdet='SyntaxError: bad'),
        [
            r'error: mmdet cannot be imported \(SyntaxError: bad\) '
            r'-> install what it names, or reinstall mmdet 3\.3\.0'
        ],
    ),
    'a compiled mmcv for another torch': (
        failing(operators='mmcv.ops cannot be loaded: undefined symbol; pip uninstall mmcv'),
        [r'error: mmcv\.ops cannot be loaded: undefined symbol -> pip uninstall mmcv'],
    ),
    'an extra that is not complete': (
        replace(GOOD, missing_extras={'report': ['plotly', 'jinja2']}),
        [
            r"note: extra 'report' is not complete: plotly, jinja2 not installed "
            r"-> pip install 'mmdet_spatialattn\[report\]'"
        ],
    ),
    'a GPU that is not found': (
        replace(GOOD, cuda='13.0'),
        [r'note: torch is built for CUDA 13\.0 and finds no device'],
    ),
}


@pytest.mark.parametrize('name', CONFLICTS)
def test_a_conflict_is_found_once_with_its_remedy(name):
    facts, expected = CONFLICTS[name]
    findings = [f'{f.level}: {f.problem} -> {f.remedy}' for f in diagnose(facts)]
    assert len(findings) == len(expected), findings
    for text, pattern in zip(findings, expected):
        assert re.match(pattern, text), text


def test_a_good_installation_has_no_finding():
    assert diagnose(GOOD) == []
    assert diagnose(replace(GOOD, cuda='13.0', devices=['GPU'])) == []


@pytest.mark.parametrize(
    ('torch', 'torchvision'),
    [('2.1.2', '0.16.2'), ('2.6.0+cu124', '0.21.0+cu124'), ('2.14.1', '0.29.1')],
)
def test_releases_that_belong_together_are_known(torch, torchvision):
    assert diagnose(installed(torch=torch, torchvision=torchvision)) == []


def test_a_fork_that_needs_no_pkg_resources_is_not_told_to_have_it():
    fork = failing(replace(GOOD, needs_pkg_resources=False), pkg_resources='ModuleNotFoundError')
    assert diagnose(fork) == []


def test_a_run_stops_at_the_first_error_and_at_nothing_less(monkeypatch):
    monkeypatch.setattr(doctor, 'examine', lambda: installed(torchvision='0.28.0'))
    doctor.require_host()
    broken = CONFLICTS['setuptools without pkg_resources'][0]
    monkeypatch.setattr(doctor, 'examine', lambda: broken)
    with pytest.raises(UserError, match=r'does not provide; pip install .*spatialattn doctor'):
        doctor.require_host()


def test_this_installation_is_described_as_it_is(tmp_path):
    from importlib.metadata import version

    done = run('-m', 'mmdet_spatialattn.cli', 'doctor', '--json', 'd.json', cwd=tmp_path)
    facts = json.loads((tmp_path / 'd.json').read_text())
    assert done.code == 0, done.out + done.err
    assert facts['installed']['torch'] == version('torch')
    assert facts['failures'] == {} and facts['mmcv_below'] == '2.2.0'
    assert {facts['operators'][name] for name in ('nms', 'roi_align')} <= {
        'torchvision',
        'compiled mmcv',
    }
    assert f'torch {version("torch")}' in done.out and 'MMDetection runs here.' in done.out
    assert not any(finding['level'] == 'error' for finding in facts['findings'])


BROKEN = {
    'torchvision/__init__.py': (
        'raise RuntimeError("operator torchvision::nms does not exist")',
        r'torchvision \S+ cannot be imported beside torch \S+ \(RuntimeError: operator torchvision',
    ),
    'pkg_resources/__init__.py': (
        'raise ModuleNotFoundError("No module named pkg_resources")',
        r'MMEngine reads pkg_resources, which setuptools \(\S+\) does not provide',
    ),
}


@pytest.mark.parametrize('file', BROKEN)
def test_a_broken_environment_is_diagnosed_and_stops_a_training(file, tmp_path):
    code, expected = BROKEN[file]
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(code)
    env = {'PYTHONPATH': str(tmp_path)}
    done = run('-m', 'mmdet_spatialattn.cli', 'doctor', cwd=tmp_path, env=env)
    assert done.code == 1
    assert 'Traceback' not in done.err
    assert re.search(f'error: {expected}', done.out), done.out
    assert 'MMDetection will not run here.' in done.out
    done = run('-m', 'mmdet_spatialattn.cli', 'train', 'c.py', cwd=tmp_path, env=env)
    assert done.code == 2
    assert re.match(
        f'spatialattn train: error: {expected}.*spatialattn doctor shows everything', done.err
    ), done.err
    assert done.err.count('\n') == 1
