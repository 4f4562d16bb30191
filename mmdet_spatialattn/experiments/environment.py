"""The environment that produces a result: versions, hardware, commit."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Optional

from ..compat.doctor import PROVIDERS, installed_versions
from ..processors import count_processors
from ..results import Environment
from ..version import __version__

PACKAGE = Path(__file__).parents[1]
ROOT = PACKAGE.parent


def environment(device: str = 'cpu') -> Environment:
    """Return the environment of this process.

    Args:
        device: ``'cuda'`` where the GPUs are used.
    """
    return Environment(
        versions={
            'mmdet_spatialattn': __version__,
            'python': platform.python_version(),
            **installed_versions(name for names in PROVIDERS.values() for name in names),
        },
        hardware={
            'processor': _processor(),
            'cores': count_processors(),
            'memory': _memory(),
            'device': _gpus() if device == 'cuda' else 'CPU',
        },
        commit=_commit(),
    )


def _gpus() -> str:
    import torch

    return ', '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _processor() -> str:
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding='utf-8', errors='replace').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> Optional[int]:
    if 'SC_PHYS_PAGES' in getattr(os, 'sysconf_names', ()):
        return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    return None


def _commit() -> Optional[str]:
    """Return the commit of a clone, with ``-dirty`` if the package differs from it."""
    if not (ROOT / '.git').exists():
        return None
    git = ['git', '-C', str(ROOT)]
    try:
        head = subprocess.run(
            [*git, 'rev-parse', '--short=12', 'HEAD'], capture_output=True, text=True, check=True
        )
        diff = subprocess.run([*git, 'diff', '--quiet', 'HEAD', '--', str(PACKAGE)])
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ('-dirty' if diff.returncode else '')
