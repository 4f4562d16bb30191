"""A wheel built from the sdist works outside a clone: configs, tools and the demo are in it."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DIGITS = 'clutter_digits/retinanet_r18-narrow_fpn-cbam_4e_clutter-digits.py'
SDIST = 'from setuptools import build_meta; print(build_meta.build_sdist({folder!r}))'


def run(*command: object, cwd: Path) -> str:
    """Run a program without this checkout on its path; return its output."""
    environment = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'COLUMNS')}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f'{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout


@pytest.fixture(scope='module')
def source(repository, tmp_path_factory) -> Path:
    """A copy of the files of the repository, so that building leaves nothing in it."""
    folder = tmp_path_factory.mktemp('source')
    listed = ['git', 'ls-files', '--cached', '--others', '--exclude-standard']
    for name in run(*listed, cwd=repository).splitlines():
        if (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((repository / name).read_bytes())
    return folder


@pytest.fixture(scope='module')
def wheel(source, tmp_path_factory) -> Path:
    """The wheel that pip builds from the sdist."""
    folder = tmp_path_factory.mktemp('dist')
    code = SDIST.format(folder=str(folder))
    name = run(sys.executable, '-c', code, cwd=source).splitlines()[-1]
    build = ('wheel', '--quiet', '--no-deps', '--no-build-isolation', '--wheel-dir', folder)
    run(sys.executable, '-m', 'pip', *build, folder / name, cwd=folder)
    (path,) = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of a new environment with the wheel, and with the dependencies of this one."""
    folder = tmp_path_factory.mktemp('installed')
    venv.create(folder / 'env')
    programs = folder / 'env' / 'bin'
    install = ('--python', programs / 'python', 'install', '--quiet', '--no-deps', wheel)
    run(sys.executable, '-m', 'pip', *install, cwd=folder)
    (packages,) = (folder / 'env').glob('lib/python*/site-packages')
    # Not an editable install of this checkout: .pth files in that folder are not read.
    (packages / 'dependencies.pth').write_text(sysconfig.get_paths()['purelib'])
    return programs


def test_the_wheel_has_every_config_and_tool_where_mmdetection_has_them(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [*(repository / 'configs').rglob('*'), *(repository / 'tools').glob('*.py')]
    expected = {
        f'mmdet_spatialattn/.mim/{path.relative_to(repository).as_posix()}'
        for path in files
        if path.is_file() and '__pycache__' not in path.parts
    }
    assert len(expected) > 100
    assert {name for name in names if '/.mim/' in name} == expected


def test_the_wheel_has_every_file_of_the_package_but_its_documents(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = repository / 'mmdet_spatialattn'
    kept = ('.html', '.json', '.py', '.typed')
    files = {p.relative_to(repository).as_posix() for p in package.rglob('*') if p.suffix in kept}
    assert len(files) > 200 and files <= names


def test_a_shipped_config_is_a_base_and_an_argument(installed, tmp_path):
    (tmp_path / 'mine.py').write_text(f"_base_ = 'mmdet_spatialattn::{DIGITS}'")
    for config in ('mine.py', f'mmdet_spatialattn::{DIGITS}'):
        out = run(installed / 'spatialattn', 'audit', config, '--size', 64, 64, cwd=tmp_path)
        assert out.count('neck.output') == 3


PLAN = """
import mmdet_spatialattn
from mmdet_spatialattn.experiments import load_plan
print(mmdet_spatialattn.__file__)
for arm in load_plan('mmdet_spatialattn::experiments/demo.py').arms:
    print(arm.config)
"""


def test_the_plan_of_the_demo_is_in_the_wheel(installed, tmp_path):
    files = run(installed / 'python', '-c', PLAN, cwd=tmp_path).splitlines()
    assert len(files) == 5 and all(Path(file).is_file() for file in files)
    assert all(file.startswith(str(installed.parent)) for file in files)
