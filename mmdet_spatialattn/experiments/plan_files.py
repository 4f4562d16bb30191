"""Write a plan with its configs: the baseline's whole, and arms that inherit from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..io import write_bytes

PLAN = 'plan.py'


def write_plan_files(
    folder: Path,
    title: str,
    baseline: Config,
    arms: Mapping[str, Mapping[str, Any]],
    plan: Mapping[str, Any],
) -> Path:
    """Write ``plan.py``, and beside it the config of every arm.

    Args:
        folder: Folder of the plan.
        title: First line of its docstring.
        baseline: Whole config of the arm ``baseline``.
        arms: Changes of the other arms' configs, by name.
        plan: The other keys of the plan.

    Returns:
        Path of the plan.
    """
    configs = folder / 'configs'
    _write(configs / 'baseline.py', baseline)
    for name, changes in arms.items():
        _write(configs / f'{name}.py', {'_base_': './baseline.py', **changes})
    header = f'"""{title}\n\nspatialattn sweep {folder / PLAN}\n"""\n\n'
    paths = [f'    {name!r}: {f"configs/{name}.py"!r},' for name in ('baseline', *arms)]
    ending = '\n'.join(['arms = {', *paths, '}', ''])  # MMEngine would sort them
    _write(folder / PLAN, {'baseline': 'baseline', **plan}, header, ending)
    return folder / PLAN


def _write(path: Path, content: Any, header: str = '', ending: str = '') -> None:
    text = content.pretty_text if isinstance(content, Config) else Config(content).pretty_text
    write_bytes(path, f'{header}{text}{ending}'.encode())
