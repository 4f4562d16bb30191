"""Our operators in place of a compiled mmcv's too, and the devices that they run on."""

import importlib.util
import pkgutil
import sys
from types import ModuleType

import pytest
import torch

import mmdet_spatialattn  # noqa: F401  (puts the operators in place before a test imports mmcv.ops)
from mmdet_spatialattn.compat import operators

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')


@pytest.fixture(params=['cpu', pytest.param('cuda', marks=[pytest.mark.gpu, NO_CUDA])])
def device(request) -> str:
    """Each device in turn."""
    return request.param


@pytest.fixture(scope='session')
def ours() -> ModuleType:
    """Our ``mmcv._ext``."""
    spec = operators._FINDER.find_spec(operators.EXTENSION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def use_operators(monkeypatch, ours):
    """Let ``mmcv.ops`` call our operators; call the result to let it call another module's."""

    def use(extension: ModuleType) -> None:
        import mmcv.ops

        for module in pkgutil.iter_modules(mmcv.ops.__path__, 'mmcv.ops.'):
            if hasattr(sys.modules.get(module.name), 'ext_module'):
                monkeypatch.setattr(sys.modules[module.name], 'ext_module', extension)

    use(ours)
    return use
