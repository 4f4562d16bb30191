"""Look at what is installed and say what will not work, and what to do about it.

:func:`examine` gathers facts and never fails; :func:`diagnose` is a pure function of them.
"""

import contextlib
import importlib
import platform
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path
from typing import Optional

from ..errors import UserError

PROVIDERS = {
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'mmcv': ('mmcv', 'mmcv-lite', 'mmcv-full', 'onedl-mmcv'),
    'mmengine': ('mmengine', 'mmengine-lite', 'onedl-mmengine'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'numpy': ('numpy',),
    'cv2': (
        'opencv-python',
        'opencv-python-headless',
        'opencv-contrib-python',
        'opencv-contrib-python-headless',
    ),
    'pycocotools': ('pycocotools',),
    'setuptools': ('setuptools',),
}
"""For each package that is imported, the distributions that bring it."""

LITE = "pip install 'mmdet_spatialattn[lite]'"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        level: 'error' when something will not work, else 'warning' or 'note'.
        what: What is wrong, in one sentence.
        remedy: What to do.
    """

    level: str
    what: str
    remedy: str


@dataclass(frozen=True)
class Facts:
    """What is installed, as far as it can be found out.

    Attributes:
        python: Version of Python.
        installed: Versions by distribution name, for those of PROVIDERS that are installed.
        failures: By package, the error that importing it raises.
        operators: Where each operator of mmcv comes from.
        devices: Names of the CUDA devices.
        cuda: CUDA release that torch was built for; ``None`` for a CPU build.
        threads: Threads that torch uses; 0 without torch.
        mmcv_below: The release of mmcv from which on mmdet refuses to be imported.
        needs_pkg_resources: MMEngine reads pkg_resources.
        missing_extras: By extra, the distributions that are not installed.
    """

    python: str
    installed: dict[str, str]
    failures: dict[str, str] = field(default_factory=dict)
    operators: dict[str, str] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    cuda: Optional[str] = None
    threads: int = 0
    mmcv_below: Optional[str] = None
    needs_pkg_resources: bool = False
    missing_extras: dict[str, list[str]] = field(default_factory=dict)


def require_host() -> None:
    """Check that MMDetection can run here.

    Raises:
        UserError: The first thing that will not work, with its remedy.
    """
    for finding in diagnose(examine()):
        if finding.level == 'error':
            raise UserError(
                f'{finding.what}; {finding.remedy} (spatialattn doctor shows everything)'
            )


def examine() -> Facts:
    """Gather the facts; imports torch, torchvision, mmcv, mmengine and mmdet as far as it can."""
    failures = {}
    for package in ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'cv2', 'pkg_resources'):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # pkg_resources: that it is deprecated
                importlib.import_module(package)
        except Exception as error:  # a broken installation raises anything
            failures[package] = f'{type(error).__name__}: {error}'
    return Facts(
        python=platform.python_version(),
        installed=installed_versions(name for names in PROVIDERS.values() for name in names),
        failures=failures,
        missing_extras=_missing_extras(),
        mmcv_below=_search('mmdet', '__init__.py', r"mmcv_maximum_version = '([\d.]+)'"),
        needs_pkg_resources=bool(
            _search('mmengine', 'utils/package_utils.py', r'(import pkg_resources)')
        ),
        **_devices_and_operators(failures),
    )


def diagnose(facts: Facts) -> list[Finding]:
    """Return what is wrong with an installation, the first cause first."""
    return [
        *_of_torch(facts),
        *_of_several_providers(facts),
        *_of_the_host(facts),
        *_of_operators(facts),
        *_of_extras(facts),
    ]


def provider(facts: Facts, package: str) -> Optional[str]:
    """Return ``'distribution version'`` of what brings a package, ``None`` when nothing does."""
    found = [name for name in PROVIDERS[package] if name in facts.installed]
    return ', '.join(f'{name} {facts.installed[name]}' for name in found) or None


def _of_torch(facts: Facts) -> list[Finding]:
    findings = []
    if 'torch' in facts.failures:
        what = f'torch cannot be imported ({facts.failures["torch"]})'
        return [Finding('error', what, 'pip install torch torchvision')]
    torch = facts.installed.get('torch', '')
    torchvision = facts.installed.get('torchvision')
    fitting = _torchvision_for(torch)
    remedy = (
        f"pip install 'torchvision=={fitting}.*' from the index that torch came from"
        if fitting
        else 'install torch and torchvision of one release from the same index'
    )
    if torchvision is None and 'torchvision' in facts.failures:
        findings.append(Finding('error', 'torchvision is not installed', remedy))
    elif 'torchvision' in facts.failures:
        what = (
            f'torchvision {torchvision} cannot be imported beside torch {torch} '
            f'({facts.failures["torchvision"]})'
        )
        findings.append(Finding('error', what, remedy))
    elif fitting and torchvision and not torchvision.startswith(f'{fitting}.'):
        what = f'torchvision {torchvision} is not of the release of torch {torch}'
        findings.append(Finding('warning', what, remedy))
    if facts.cuda and not facts.devices:
        what = f'torch is built for CUDA {facts.cuda} and finds no device, so it uses the CPU'
        remedy = 'nothing, if there is no GPU; else see whether nvidia-smi finds it'
        findings.append(Finding('note', what, remedy))
    return findings


def _torchvision_for(torch: str) -> Optional[str]:
    """Return the release of torchvision that belongs to torch 2.x: ``0.(x + 15)``."""
    release = re.match(r'2\.(\d+)', torch)
    return f'0.{int(release.group(1)) + 15}' if release else None


def _of_several_providers(facts: Facts) -> list[Finding]:
    findings = []
    for package, names in PROVIDERS.items():
        found = [name for name in names if name in facts.installed]
        if len(found) > 1:
            both = ' and '.join(f'{name} {facts.installed[name]}' for name in found)
            level = 'warning' if len({facts.installed[name] for name in found}) == 1 else 'error'
            what = f'{both} are both installed and write the same files of {package}'
            remedy = f'pip uninstall {" ".join(found)}, then install one of them again'
            findings.append(Finding(level, what, remedy))
    return findings


def _of_the_host(facts: Facts) -> list[Finding]:
    hosts = ('mmengine', 'mmcv', 'mmdet')
    absent = [package for package in hosts if provider(facts, package) is None]
    findings = []
    if absent:
        findings.append(Finding('error', f'{", ".join(absent)} not installed', LITE))
    mmcv = next((facts.installed[n] for n in PROVIDERS['mmcv'] if n in facts.installed), None)
    too_new = bool(mmcv and facts.mmcv_below and _release(mmcv) >= _release(facts.mmcv_below))
    if too_new:
        mmdet = provider(facts, 'mmdet')
        what = f'{mmdet} refuses to be imported with mmcv {mmcv}: it asserts < {facts.mmcv_below}'
        remedy = f"pip uninstall mmcv, then pip install 'mmcv-lite<{facts.mmcv_below}'"
        findings.append(Finding('error', what, remedy))
    if facts.needs_pkg_resources and 'pkg_resources' in facts.failures:
        setuptools = facts.installed.get('setuptools', 'none')
        what = f'MMEngine reads pkg_resources, which setuptools ({setuptools}) does not bring'
        findings.append(Finding('error', what, "pip install 'setuptools<81'"))
    for package in ('cv2', *hosts):
        known = package in absent or (package == 'mmdet' and too_new)
        if package in facts.failures and not known:
            error = facts.failures[package]
            missing_library = package == 'cv2' and 'lib' in error
            remedy = (
                'on a machine without a display: pip uninstall opencv-python, '
                'then pip install opencv-python-headless'
                if missing_library
                else f'install what is missing, or {provider(facts, package) or package} again'
            )
            findings.append(Finding('error', f'{package} cannot be imported ({error})', remedy))
    return findings


def _of_operators(facts: Facts) -> list[Finding]:
    error = facts.failures.get('operators')
    if error is None or {'torch', 'torchvision', 'mmcv', 'mmengine'} & set(facts.failures):
        return []
    what, _, remedy = error.partition('; ')
    return [Finding('error', what, remedy or LITE)]


def _of_extras(facts: Facts) -> list[Finding]:
    return [
        Finding(
            'note',
            f"extra '{extra}' is not complete: {', '.join(names)} not installed",
            f"pip install 'mmdet_spatialattn[{extra}]', if you want it",
        )
        for extra, names in facts.missing_extras.items()
    ]


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r'\d+', version.split('+')[0])))


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    versions = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def _missing_extras() -> dict[str, list[str]]:
    """Return what the package's extras name and is not installed; of ``lite`` see the host."""
    missing: dict[str, list[str]] = {}
    with contextlib.suppress(metadata.PackageNotFoundError):
        for requirement in metadata.requires('mmdet_spatialattn') or ():
            match = re.match(r"([\w.-]+).*extra == ['\"](\w+)['\"]", requirement)
            if match and match.group(2) != 'lite':
                try:
                    metadata.version(match.group(1))
                except metadata.PackageNotFoundError:
                    missing.setdefault(match.group(2), []).append(match.group(1))
    return missing


def _search(package: str, file: str, pattern: str) -> Optional[str]:
    """Return the first group of a pattern in a file of a package that may not be importable."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        spec = util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            found = re.search(pattern, Path(folder, file).read_text(encoding='utf-8'))
            if found:
                return found.group(1)
    return None


def _devices_and_operators(failures: dict[str, str]) -> dict:
    """Return the facts that need torch; an error with the operators goes into ``failures``."""
    if 'torch' in failures:
        return {}
    import torch

    from .operators import operator_sources

    operators = {}
    try:
        operators = operator_sources()
    except Exception as error:
        kind = '' if isinstance(error, UserError) else f'{type(error).__name__}: '
        failures['operators'] = f'{kind}{error}'
    if not failures:
        try:
            importlib.import_module('mmdet.apis')  # everything that a run needs of it
        except Exception as error:
            failures['mmdet'] = f'{type(error).__name__}: {error}'
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        'cuda': torch.version.cuda,
        'devices': devices,
        'operators': operators,
        'threads': torch.get_num_threads(),
    }
