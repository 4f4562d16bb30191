"""The root folder of a config's data sets."""

from typing import Any, Optional

from mmengine.config import Config


def move_data_root(config: Config, old: Optional[str]) -> None:
    """Carry the config's ``data_root`` into every path that lies below the ``old`` one.

    A config writes its root into each data set and evaluator when it is read; this makes the one
    key ``data_root`` enough to change them all.
    """
    new = config.get('data_root')
    if not old or not new or old == new:
        return
    old, new = old.rstrip('/'), new.rstrip('/')

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            value.update({key: moved(item) for key, item in value.items()})
        elif isinstance(value, (list, tuple)):
            return type(value)(moved(item) for item in value)
        elif isinstance(value, str) and (value == old or value.startswith(f'{old}/')):
            return new + value[len(old) :]
        return value

    moved(config._cfg_dict)
