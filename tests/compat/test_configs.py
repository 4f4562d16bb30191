"""Names of shipped configs resolve to their files: in ``_base_``, and wherever a config is read."""

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.utils import get_installed_path

from mmdet_spatialattn.compat import configs
from mmdet_spatialattn.compat.configs import config_name, config_path, shipped_configs
from mmdet_spatialattn.errors import MissingFile, UserError

RETINANET = 'retinanet/retinanet_r18_fpn_1x_coco.py'
DIGITS = 'clutter_digits/retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits.py'


def test_a_name_resolves_to_the_file_that_the_package_ships():
    file = Path(get_installed_path('mmdet'), '.mim', 'configs', RETINANET)
    assert config_path(f'mmdet::{RETINANET}') == file
    assert config_path('plain/path.py') == Path('plain/path.py')
    assert config_path(f'mmdet_spatialattn::{DIGITS}').is_file()


@pytest.mark.parametrize(
    ('name', 'kind', 'message'),
    [
        (
            'mmdet::retinanet/retinanet_r18_fpn_1x.py',
            MissingFile,
            "mmdet ships no config 'retinanet/retinanet_r18_fpn_1x.py'; did you mean "
            f"'{RETINANET}'?",
        ),
        ('mmdet::???', MissingFile, "mmdet ships no config '???' (they are in "),
        ('mmdett::a.py', UserError, "mmdett::a.py: no package 'mmdett' with configs is installed"),
        ('json::a.py', UserError, "no package 'json' with configs"),
        ('../x::a.py', UserError, "no package '../x' with configs"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(name, kind, message):
    with pytest.raises(kind) as caught:
        config_path(name)
    assert message in str(caught.value)


def test_a_config_is_named_as_it_was_given(tmp_path, monkeypatch):
    shipped = config_path(f'mmdet::{RETINANET}')
    assert config_name(shipped) == f'mmdet::{RETINANET}'
    monkeypatch.chdir(tmp_path)
    assert config_name(tmp_path / 'a' / 'b.py') == 'a/b.py'
    assert config_name(Path('/elsewhere/b.py')) == '/elsewhere/b.py'


def test_a_package_that_is_cloned_has_its_configs_beside_it(tmp_path, monkeypatch):
    package = tmp_path / 'clone' / 'some_package'
    (tmp_path / 'clone' / 'configs').mkdir(parents=True)
    package.mkdir()
    (package / '__init__.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path / 'clone'))
    assert shipped_configs('some_package') == tmp_path / 'clone' / 'configs'
    (package / '.mim' / 'configs').mkdir(parents=True)
    assert shipped_configs('some_package') == package / '.mim' / 'configs'


def test_a_base_of_this_package_equals_its_file(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'mmdet_spatialattn::{DIGITS}'")
    expected = Config.fromfile(config_path(f'mmdet_spatialattn::{DIGITS}'))
    assert Config.fromfile(path)._cfg_dict == expected._cfg_dict


CODE = """
import sys
from mmengine.config import Config
before = Config.fromfile(sys.argv[1])
scope = before.model._scope_
import mmdet_spatialattn
after = Config.fromfile(sys.argv[1])
print(scope, after.model._scope_, before._cfg_dict == after._cfg_dict)
"""


def test_a_base_of_mmdetection_is_what_mmengine_makes_of_it(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'mmdet::{RETINANET}'")
    command = [sys.executable, '-W', 'ignore', '-c', CODE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == 'mmdet mmdet True\n'


def test_resolving_needs_no_deprecated_package(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'mmdet::{RETINANET}'")
    code = (
        'import sys, mmdet_spatialattn\n'
        'from mmengine.config import Config\n'
        'Config.fromfile(sys.argv[1])\n'
        'print("pkg_resources" in sys.modules)'
    )
    command = [sys.executable, '-W', 'error::UserWarning', '-c', code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ('False\n', '')


def test_installing_twice_wraps_once():
    configs.install()
    lookup = Config._get_cfg_path
    configs.install()
    assert Config._get_cfg_path is lookup and not hasattr(lookup.__wrapped__, '__wrapped__')
