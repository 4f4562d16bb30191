"""The root folder of the data sets of a config."""

from typing import Any, Optional

from mmengine.config import Config


def move_data_root(config: Config, old: Optional[str]) -> None:
    """Apply the config's ``data_root`` to every path that lies below the ``old`` one.

    When a config is read, its root is written into every data set and evaluator; with this function
    a change of the key ``data_root`` changes them all.
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
