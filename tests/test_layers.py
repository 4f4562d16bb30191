"""Imports point one way, and the statistics need neither MMDetection nor PyTorch."""

import shutil
from pathlib import Path

import pytest

from tests.processes import run

LINT = 'from importlinter.cli import lint_imports_command; lint_imports_command()'


@pytest.fixture
def copy(repository, tmp_path) -> Path:
    """A copy of the source tree, with its contract."""
    ignored = shutil.ignore_patterns('__pycache__')
    shutil.copytree(
        repository / 'mmdet_spatialattn', tmp_path / 'mmdet_spatialattn', ignore=ignored
    )
    shutil.copy(repository / 'pyproject.toml', tmp_path)
    return tmp_path


def lint(folder: Path):
    """Check the contract of the tree in a folder."""
    path = {'PYTHONPATH': str(folder), 'COLUMNS': '200'}
    return run('-c', LINT, '--no-cache', cwd=folder, env=path)


def test_the_imports_of_the_package_point_one_way(copy):
    done = lint(copy)
    assert done.code == 0 and 'Contracts: 1 kept, 0 broken' in done.out, done.out


@pytest.mark.parametrize(
    ('module', 'line'),
    [
        ('coco/images.py', 'from ..clutter import Strata'),
        ('results/cost.py', 'from ..evaluation import evaluate'),
        ('plots.py', 'from .results import Estimate'),
        ('comparison/compare.py', 'from ..cost import measure_costs'),
        ('experiments/plan.py', 'def late():\n    from ..cli import main'),
        ('errors.py', 'from .io import read_json'),
    ],
    ids=lambda value: value.partition('\n')[0],
)
def test_an_upward_import_breaks_the_contract(copy, module, line):
    path = copy / 'mmdet_spatialattn' / module
    path.write_text(f'{path.read_text()}\n{line}\n')
    done = lint(copy)
    name = module.removesuffix('.py').replace('/', '.')
    assert done.code == 1 and f'mmdet_spatialattn.{name} -> ' in done.out, done.out


def test_a_new_package_needs_a_layer(copy):
    (copy / 'mmdet_spatialattn' / 'video').mkdir()
    (copy / 'mmdet_spatialattn' / 'video' / '__init__.py').write_text('')
    done = lint(copy)
    assert done.code == 1 and 'video' in done.out, done.out


OF_MMDETECTION = ('coco_metric', 'detections_file')
"""Modules of the evaluation that are metrics for MMDetection's Runner."""

BLOCKED = ('torch', 'torchvision', 'mmdet', 'mmcv', 'mmengine')
BLOCK = f"""
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {BLOCKED}:
            raise ModuleNotFoundError(f'No module named {{name!r}} (blocked)', name=name)

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize('package', ['coco', 'clutter', 'results', 'evaluation', 'comparison'])
def test_statistics_need_neither_mmdetection_nor_pytorch(repository, tmp_path, package):
    folder = repository / 'mmdet_spatialattn' / package
    modules = [path.stem for path in folder.glob('*.py') if path.stem not in OF_MMDETECTION]
    assert '__init__' in modules and len(modules) >= 5
    imports = '\n'.join(f'import mmdet_spatialattn.{package}.{name}' for name in modules)
    done = run('-c', BLOCK + imports, cwd=tmp_path)
    assert done.code == 0, done.err


def test_the_block_blocks(tmp_path):
    done = run('-c', BLOCK + 'import mmdet_spatialattn.attention', cwd=tmp_path)
    assert done.code != 0 and '(blocked)' in done.err
