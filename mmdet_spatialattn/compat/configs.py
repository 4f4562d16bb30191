"""Configs that packages ship: ``mmdet::PATH``, ``mmdet_spatialattn::PATH``.

MMEngine resolves such names in ``_base_`` only, and only for packages on a list of its own; it asks
``pkg_resources``, which warns, and reads all metafiles of the package for each name. With
:func:`install` every package that ships its configs as MMDetection's packages do can be named, and
the file is looked up directly. Commands and plans name configs in the same way.
"""

import functools
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Optional

from ..errors import MissingFile, UserError, did_you_mean
from ..io import PathLike
from .hook import after_import

PACKAGE = __name__.partition('.')[0]
SEPARATOR = '::'
SHIPPED = Path('.mim', 'configs')
"""Folder of the configs in a package, where MMDetection's packages have it."""


def install() -> None:
    """Let MMEngine resolve names of shipped configs as :func:`config_path` does."""
    after_import('mmengine.config.config', _wrap_lookup)


def config_path(name: PathLike) -> Path:
    """Return the file of a config: a path, or ``PACKAGE::PATH`` for one that a package ships.

    Raises:
        MissingFile: The package ships no such config; the message gives the nearest one.
        UserError: There is no such package, or it ships no configs.
    """
    package, separator, path = str(name).partition(SEPARATOR)
    if not separator:
        return Path(name)
    folder = shipped_configs(package)
    if folder is None:
        raise UserError(
            f"{name}: no package '{package}' with configs is installed; expected PACKAGE::PATH, as "
            'in mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
        )
    if not (folder / path).is_file():
        shipped = (file.relative_to(folder).as_posix() for file in folder.rglob('*.py'))
        nearest = did_you_mean(path, shipped) or f' (they are in {folder})'
        raise MissingFile(f"{package} ships no config '{path}'{nearest}")
    return folder / path


def config_name(path: Path) -> str:
    """Return how to name a config: as one that a package ships, or seen from the current folder."""
    for folder in path.parents:
        if folder.parts[-2:] == SHIPPED.parts:
            return f'{folder.parents[1].name}{SEPARATOR}{path.relative_to(folder).as_posix()}'
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def shipped_configs(package: str = PACKAGE) -> Optional[Path]:
    """Return the folder of the configs of a package, installed or cloned; ``None`` without one."""
    spec = util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    folders = (root / SHIPPED, root.parent / SHIPPED.name)  # the second in a clone
    return next((folder for folder in folders if folder.is_dir()), None)


def _wrap_lookup(module: ModuleType) -> None:
    """Replace MMEngine's look-up of names with ``::``.

    Our own configs get no scope, as if a relative path had named them: they are MMDetection's.
    """
    original = module.Config._get_cfg_path
    if hasattr(original, '__wrapped__'):
        return

    @functools.wraps(original)
    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, Optional[str]]:
        package, separator, _ = cfg_path.partition(SEPARATOR)
        if not separator:
            return original(cfg_path, filename)
        return str(config_path(cfg_path)), None if package == PACKAGE else package

    module.Config._get_cfg_path = staticmethod(get_cfg_path)
