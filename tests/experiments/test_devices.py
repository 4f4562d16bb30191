"""The GPUs that runs are spread over."""

import pytest
import torch

from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.devices import choose_device, choose_gpus


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets the number of GPUs, and those that are visible."""

    def machine(gpus, visible=None):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: gpus)
        monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
        if visible is not None:
            monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)

    return machine


def test_by_default_all_gpus_are_used(machine):
    machine(0)
    assert choose_device('auto') == 'cpu' and choose_gpus('auto') == ()
    machine(4)
    assert choose_device('auto') == choose_device('cuda:2') == 'cuda'
    assert choose_gpus('auto') == choose_gpus('cuda') == ('0', '1', '2', '3')
    assert choose_device('cpu') == 'cpu' and choose_gpus('cpu') == ()


def test_some_are_chosen_among_the_visible_ones(machine):
    machine(4)
    assert choose_gpus('cuda:0,cuda:2') == ('0', '2')
    machine(2, visible='5,GPU-abc')
    assert choose_gpus('cuda') == ('5', 'GPU-abc') and choose_gpus('cuda:1') == ('GPU-abc',)
    with pytest.raises(UserError, match="device 'cuda:2': there are 2 CUDA devices, from cuda:0"):
        choose_gpus('cuda:2')


@pytest.mark.parametrize('device', ['gpu', 'cuda:', 'cuda:0,', 'cuda:0 cuda:1', ''])
def test_another_device_is_refused(machine, device):
    machine(2)
    with pytest.raises(UserError, match='must be one of auto, cpu, cuda or a list as cuda:0'):
        choose_device(device)


def test_a_gpu_that_is_not_there_is_refused(machine):
    machine(0)
    for device in ('cuda', 'cuda:0'):
        with pytest.raises(UserError, match=f"device '{device}': there is no CUDA device"):
            choose_device(device)
