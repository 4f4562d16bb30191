"""Walks through a config of MMDetection: its dictionaries and its data sets, by dotted keys."""

from collections.abc import Iterator
from typing import Any


def dictionaries(value: Any, key: str = '') -> Iterator[tuple[str, dict]]:
    """Yield every dictionary of a config with its dotted key, outer ones first.

    Example:
        >>> list(dictionaries({'neck': [{'type': 'FPN'}]}, 'model'))[1]
        ('model.neck.0', {'type': 'FPN'})
    """
    members: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        yield key, value
        members = list(value.items())
    elif isinstance(value, (list, tuple)):
        members = list(enumerate(value))
    for name, member in members:
        yield from dictionaries(member, f'{key}.{name}' if key else str(name))


def datasets(loader: Any, key: str) -> Iterator[tuple[str, dict]]:
    """Yield the data sets that read files, below wrappers, with their dotted keys.

    Args:
        loader: Config of a data loader, or of a wrapper of data sets.
        key: Its dotted key.

    Example:
        >>> loader = {'dataset': {'type': 'ConcatDataset', 'datasets': [{'ann_file': 'a.json'}]}}
        >>> list(datasets(loader, 'test_dataloader'))
        [('test_dataloader.dataset.datasets.0', {'ann_file': 'a.json'})]
    """
    members = {f'{key}.dataset': loader['dataset']} if loader.get('dataset') else {}
    for index, member in enumerate(loader.get('datasets') or ()):
        members[f'{key}.datasets.{index}'] = member
    for name, member in members.items():
        if 'dataset' in member or 'datasets' in member:
            yield from datasets(member, name)
        else:
            yield name, member
