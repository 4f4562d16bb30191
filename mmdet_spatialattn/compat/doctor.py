"""Examination of the installed packages: what will not work, and the remedies.

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
"""By imported package, the distributions that provide it."""

LITE = "pip install 'mmdet_spatialattn[lite]'"


@dataclass(frozen=True)
class Finding:
    """One problem of an installation.

    Attributes:
        level: ``'error'`` if something will not work, else ``'warning'`` or ``'note'``.
        problem: The problem, in one sentence.
        remedy: What to do.
    """

    level: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Facts:
    """The facts about an installation, as far as they can be determined.

    Attributes:
        python: Version of Python.
        installed: Versions by distribution name, for those of PROVIDERS that are installed.
        failures: By package, the error that importing it raises.
        operators: By operator of mmcv, its origin.
        devices: Names of the CUDA devices.
        cuda: CUDA release that torch was built for; ``None`` for a CPU build.
        threads: Number of threads that torch uses; 0 without torch.
        mmcv_below: First release of mmcv with which mmdet refuses to be imported.
        needs_pkg_resources: Whether MMEngine reads pkg_resources.
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
        UserError: Something will not work; the message is the first error with its remedy.
    """
    for finding in diagnose(examine()):
        if finding.level == 'error':
            raise UserError(
                f'{finding.problem}; {finding.remedy} (spatialattn doctor shows everything)'
            )


def examine() -> Facts:
    """Gather the facts; torch, torchvision, mmcv, mmengine and mmdet are imported if possible."""
    failures = {}
    for package in ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet', 'cv2', 'pkg_resources'):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of pkg_resources, which is deprecated
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
    """Return the problems of an installation, causes before their consequences."""
    return [
        *_torch_findings(facts),
        *_provider_findings(facts),
        *_host_findings(facts),
        *_operator_findings(facts),
        *_extra_findings(facts),
    ]


def provider(facts: Facts, package: str) -> Optional[str]:
    """Return name and version of the distribution that provides a package; ``None`` without one."""
    names = _providers(facts, package)
    return ', '.join(f'{name} {facts.installed[name]}' for name in names) or None


def _providers(facts: Facts, package: str) -> list[str]:
    return [name for name in PROVIDERS[package] if name in facts.installed]


def _torch_findings(facts: Facts) -> list[Finding]:
    findings = []
    if 'torch' in facts.failures:
        problem = f'torch cannot be imported ({facts.failures["torch"]})'
        return [Finding('error', problem, 'pip install torch torchvision')]
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
        problem = (
            f'torchvision {torchvision} cannot be imported beside torch {torch} '
            f'({facts.failures["torchvision"]})'
        )
        findings.append(Finding('error', problem, remedy))
    elif fitting and torchvision and not torchvision.startswith(f'{fitting}.'):
        problem = f'torchvision {torchvision} does not belong to the release of torch {torch}'
        findings.append(Finding('warning', problem, remedy))
    if facts.cuda and not facts.devices:
        problem = f'torch is built for CUDA {facts.cuda} and finds no device, so it uses the CPU'
        remedy = 'none is needed without a GPU; otherwise check whether nvidia-smi finds it'
        findings.append(Finding('note', problem, remedy))
    return findings


def _torchvision_for(torch: str) -> Optional[str]:
    """Return the release of torchvision that belongs to torch 2.x: ``0.(x + 15)``."""
    release = re.match(r'2\.(\d+)', torch)
    return f'0.{int(release.group(1)) + 15}' if release else None


def _provider_findings(facts: Facts) -> list[Finding]:
    findings = []
    for package in PROVIDERS:
        names = _providers(facts, package)
        if len(names) > 1:
            both = ' and '.join(f'{name} {facts.installed[name]}' for name in names)
            level = 'warning' if len({facts.installed[name] for name in names}) == 1 else 'error'
            problem = f'{both} are both installed and write the same files of {package}'
            remedy = f'pip uninstall {" ".join(names)}, then install one of them again'
            findings.append(Finding(level, problem, remedy))
    return findings


def _host_findings(facts: Facts) -> list[Finding]:
    hosts = ('mmengine', 'mmcv', 'mmdet')
    absent = [package for package in hosts if provider(facts, package) is None]
    findings = []
    if absent:
        findings.append(Finding('error', f'{", ".join(absent)} not installed', LITE))
    mmcv = next((facts.installed[n] for n in PROVIDERS['mmcv'] if n in facts.installed), None)
    too_new = bool(mmcv and facts.mmcv_below and _release(mmcv) >= _release(facts.mmcv_below))
    if too_new:
        mmdet = provider(facts, 'mmdet')
        problem = f'{mmdet} needs mmcv < {facts.mmcv_below}, and refuses mmcv {mmcv}'
        remedy = f"pip uninstall mmcv, then pip install 'mmcv-lite<{facts.mmcv_below}'"
        findings.append(Finding('error', problem, remedy))
    if facts.needs_pkg_resources and 'pkg_resources' in facts.failures:
        setuptools = facts.installed.get('setuptools', 'none')
        problem = f'MMEngine reads pkg_resources, which setuptools ({setuptools}) does not provide'
        findings.append(Finding('error', problem, "pip install 'setuptools<81'"))
    for package in ('cv2', *hosts):
        known = package in absent or (package == 'mmdet' and too_new)
        if package in facts.failures and not known:
            error = facts.failures[package]
            missing_library = package == 'cv2' and 'lib' in error
            remedy = (
                'on a machine without a display: pip uninstall opencv-python, '
                'then pip install opencv-python-headless'
                if missing_library
                else f'install what it names, or reinstall {provider(facts, package) or package}'
            )
            findings.append(Finding('error', f'{package} cannot be imported ({error})', remedy))
    return findings


def _operator_findings(facts: Facts) -> list[Finding]:
    error = facts.failures.get('operators')
    if error is None or {'torch', 'torchvision', 'mmcv', 'mmengine'} & set(facts.failures):
        return []
    problem, _, remedy = error.partition('; ')
    return [Finding('error', problem, remedy or LITE)]


def _extra_findings(facts: Facts) -> list[Finding]:
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
    """Return the versions of the distributions that are installed; the others are left out."""
    versions = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def _missing_extras() -> dict[str, list[str]]:
    """Return by extra, but for ``lite``, the distributions that are not installed."""
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
    """Search a file of a package, importable or not, and return the first group of the match."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        spec = util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            match = re.search(pattern, Path(folder, file).read_text(encoding='utf-8'))
            if match:
                return match.group(1)
    return None


def _devices_and_operators(failures: dict[str, str]) -> dict:
    """Return the facts that need torch; an error of the operators is added to ``failures``."""
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
            importlib.import_module('mmdet.apis')  # all that a run needs of it
        except Exception as error:
            failures['mmdet'] = f'{type(error).__name__}: {error}'
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        'cuda': torch.version.cuda,
        'devices': devices,
        'operators': operators,
        'threads': torch.get_num_threads(),
    }
