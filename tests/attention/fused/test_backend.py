"""The choice of a back end."""

import pytest
import torch

from mmdet_spatialattn.attention.fused import backend, describe, fuses, fusion, operators
from mmdet_spatialattn.attention.fused.reference import scale


class OnCuda:
    """As much of a tensor on a GPU as the choice looks at."""

    is_cuda = True
    dtype = torch.float32


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(backend, 'find_spec', lambda name: object())
    monkeypatch.setenv(backend.SWITCH, '1')
    with fusion(True):
        yield


def test_maps_on_a_gpu_are_fused_and_others_are_not(gpu):
    assert fuses(OnCuda()) and describe() == 'Triton on CUDA, PyTorch on CPU'
    assert not fuses(torch.rand(1, 2, 3, 4))
    double = OnCuda()
    double.dtype = torch.float64
    assert not fuses(double)
    with fusion(False):
        assert not fuses(OnCuda())
    assert fuses(OnCuda())


def test_the_obstacle_is_named(gpu, monkeypatch):
    monkeypatch.setattr(backend, 'find_spec', lambda name: None)
    with fusion(True):
        assert describe() == 'PyTorch (triton is not installed)'
    monkeypatch.setattr(backend, 'find_spec', lambda name: object())
    monkeypatch.delenv('MMDET_SPATIALATTN_FUSED')
    with fusion(True):
        assert describe() == 'PyTorch (Triton kernels run with MMDET_SPATIALATTN_FUSED=1)'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with fusion(True):
        assert describe() == 'PyTorch (there is no CUDA device)' and not fuses(OnCuda())


def test_a_kernel_that_fails_is_replaced_with_one_warning(gpu, monkeypatch):
    def fail(device):
        raise RuntimeError('ptxas is missing\nat length')

    monkeypatch.setattr(operators, 'runs_kernels', lambda x: not backend._State.obstacle)
    monkeypatch.setattr(torch.cuda, 'device_of', fail)
    x, gate = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 1, 1)
    with pytest.warns(
        UserWarning, match=r'failed \(ptxas is missing\); PyTorch gives the same'
    ) as w:
        for _ in range(2):
            y = operators.scale(x, gate, None, 'multiply', None)
            assert torch.equal(y, scale(x, gate, None, 'multiply', None))
    assert len(w) == 1
    assert not fuses(OnCuda()) and describe() == 'PyTorch (Triton failed: ptxas is missing)'
