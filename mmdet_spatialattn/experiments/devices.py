"""The devices that runs are trained on."""

import os
import re

import torch

from ..errors import UserError

DEVICES = ('auto', 'cpu', 'cuda')

_GPUS = re.compile(r'cuda:\d+(?:,cuda:\d+)*')


def choose_device(device: str) -> str:
    """Return ``'cuda'`` or ``'cpu'``."""
    if device not in DEVICES and not _GPUS.fullmatch(device):
        raise UserError(
            f"device must be one of {', '.join(DEVICES)} or a list as cuda:0,cuda:1, got '{device}'"
        )
    available = torch.cuda.is_available()
    if device.startswith('cuda') and not available:
        raise UserError(
            f"device '{device}': there is no CUDA device; spatialattn doctor shows what is "
            'installed'
        )
    return 'cuda' if available and device != 'cpu' else 'cpu'


def choose_gpus(device: str) -> tuple[str, ...]:
    """Return what ``CUDA_VISIBLE_DEVICES`` is for each of the GPUs; none on the CPU.

    Args:
        device: As for :func:`run_sweep`.
    """
    if choose_device(device) == 'cpu':
        return ()
    names = os.environ.get('CUDA_VISIBLE_DEVICES', '').split(',')
    visible = names if any(names) else list(map(str, range(torch.cuda.device_count())))
    if not _GPUS.fullmatch(device):
        return tuple(visible)
    chosen = [int(name.partition(':')[2]) for name in device.split(',')]
    if max(chosen) >= len(visible):
        raise UserError(f"device '{device}': there are {len(visible)} CUDA devices, from cuda:0")
    return tuple(visible[number] for number in chosen)
