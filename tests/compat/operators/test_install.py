"""``mmcv._ext`` appears where there is no compiled one, whoever is imported first."""

import subprocess
import sys
import textwrap
import types

import pytest
import torch

from mmdet_spatialattn import compat
from mmdet_spatialattn.compat import operators


def run(code, path=None):
    """Run ``code`` in a fresh interpreter; return its output and its warnings."""
    code = f'import sys\nsys.path[:0] = {[str(path)] if path else []!r}\n{textwrap.dedent(code)}'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def test_importing_the_package_loads_neither_torch_nor_mmcv():
    code = "import mmdet_spatialattn; print({'torch', 'mmcv', 'torchvision'} & set(sys.modules))"
    assert run(code)[0] == 'set()'


def test_installing_twice_adds_one_finder():
    compat.install()
    compat.install()
    assert sys.meta_path.count(operators._FINDER) == 1


def test_it_works_when_the_host_is_imported_first():
    code = """
        import mmcv.cnn, mmengine
        import mmdet_spatialattn
        import torch, mmcv.ops
        print(mmcv.ops.nms(torch.tensor([[0., 0., 1., 1.]]), torch.ones(1), 0.5)[1].tolist())
    """
    assert run(code)[0] == '[0]'


def test_it_works_after_an_import_that_failed_without_it():
    code = """
        try:
            import mmdet.models
        except ModuleNotFoundError as error:
            print(error)
        import mmdet_spatialattn
        import mmdet.models
        print(mmdet.models.FasterRCNN.__name__)
    """
    assert run(code)[0].splitlines()[-1] == 'FasterRCNN'


def test_a_compiled_module_wins(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').touch()
    (package / '_ext.py').write_text('nms = "compiled"\n')
    code = 'import mmdet_spatialattn, mmcv._ext; print(mmcv._ext.nms)'
    assert run(code, path=tmp_path)[0] == 'compiled'


def test_a_compiled_module_that_does_not_load_is_named_with_the_remedy(tmp_path):
    package = tmp_path / 'mmcv'
    (package / 'ops').mkdir(parents=True)
    (package / '__init__.py').touch()
    (package / 'ops' / '__init__.py').write_text('import mmcv._ext\n')
    (package / '_ext.so').write_bytes(b'of another torch')
    code = """
        from mmdet_spatialattn.compat.operators import operator_sources
        from mmdet_spatialattn.errors import UserError
        try:
            operator_sources()
        except UserError as error:
            print(error)
    """
    message = run(code, path=tmp_path)[0]
    assert '_ext.so: file too short' in message
    assert 'pip uninstall mmcv' in message


def test_a_missing_torchvision_is_named_with_the_remedy():
    if not operators._is_ours(sys.modules['mmcv._ext']):
        pytest.skip('a compiled mmcv needs no torchvision')
    code = """
        sys.modules['torchvision'] = None
        import mmdet_spatialattn
        from mmdet_spatialattn.errors import UserError
        try:
            import mmcv.ops
        except UserError as error:
            print(error)
    """
    message = run(code)[0]
    assert 'torchvision that fits torch' in message
    assert 'one release from the same index' in message


def test_coming_too_late_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmcv._ext', types.ModuleType('mmcv._ext'))
    with pytest.warns(UserWarning, match='import mmdet_spatialattn first'):
        compat.install()


def test_a_missing_operator_raises_when_called():
    from mmcv.ops import nms_rotated

    with pytest.raises(NotImplementedError, match="'nms_rotated' needs a compiled mmcv"):
        nms_rotated(torch.rand(2, 5), torch.rand(2), 0.5)


def test_the_sources_name_what_stands_behind_each_operator():
    sources = operators.operator_sources()
    if not operators._is_ours(sys.modules['mmcv._ext']):
        assert set(sources.values()) == {'compiled mmcv'}
        return
    assert sources['nms'] == sources['roi_align'] == sources['deform_conv'] == 'torchvision'
    assert sources['softnms'] == 'torch'
    assert sources['nms_rotated'] == 'not available'
    assert {operator.name for operator in operators.OPERATORS} <= set(sources)
