"""Results stored by older versions, brought to the present one when they are read.

Version 1 (release 0.1) held metrics overall and by stratum apart, ``null`` for what was undefined,
``refused`` in place of the metrics of a scope, audits as text, and failed runs and environments as
lists of their own.
"""

from collections.abc import Iterator
from typing import Any, Callable

from ..errors import UserError
from .base import VERSION
from .test_set import OVERALL, SIZES

UNDEFINED = 'undefined in a result of version 1'


def upgrade(data: dict[str, Any], kind: str, version: int, source: str) -> dict[str, Any]:
    """Return stored data as the present version would hold it.

    Raises:
        UserError: The data is damaged.
    """
    if version == VERSION:
        return data
    try:
        return _UPGRADES[kind](data)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise UserError(
            f'{source} is damaged or was edited by hand ({type(error).__name__}: {error}); write '
            'it again'
        ) from error


def _comparison(data: dict[str, Any]) -> dict[str, Any]:
    strata = [_stratum(row) for row in data['strata']]
    return {
        'test_set': data['annotations'],
        'settings': data['settings'],
        'strata': strata,
        'arms': {
            arm: {
                'metrics': _metrics(entry),
                'errors': entry['errors'],
                'runs': [_run(run, strata) for run in entry['runs']],
            }
            for arm, entry in data['arms'].items()
        },
        'effects': _effects({a: _scopes(entry) for a, entry in data['effects'].items()}),
        'error_effects': _effects(
            {a: _scopes(entry) for a, entry in data['error_effects'].items()}
        ),
        'clutter_gain': _effects(data['clutter_gain']),
        'verdicts': data['verdicts'],
        'notes': data['notes'],
    }


def _stratum(row: dict[str, Any]) -> dict[str, Any]:
    counts = {key: row[key] for key in ('objects', 'images', 'enough')}
    sizes = {size: row[size] for size in SIZES}
    return {'name': row['stratum'], **counts, 'sizes': sizes, 'groups': row.get('groups')}


def _run(run: dict[str, Any], strata: list[dict[str, Any]]) -> dict[str, Any]:
    errors = run['errors']
    return {
        'source': run['source'],
        'strata': strata,
        'metrics': _metrics(run),
        'errors': errors,
        'notes': [],
    }


def _scopes(entry: dict[str, Any]) -> dict[str, Any]:
    return {OVERALL: entry['overall'], **entry['strata']}


def _metrics(entry: dict[str, Any]) -> dict[str, dict[str, Any]]:
    counts = ('objects', 'images', 'groups')
    return {
        scope: {name: _number(value) for name, value in metrics.items() if name not in counts}
        for scope, metrics in _scopes(entry).items()
    }


def _number(value: Any) -> Any:
    return {'refused': UNDEFINED} if value is None else value


def _effects(arms: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Give every metric of a refused scope its refusal."""
    known = {
        metric: None
        for scopes in arms.values()
        for effects in scopes.values()
        for metric in effects
        if metric != 'refused'
    } or {'AP': None}

    def filled(effects: dict[str, Any]) -> dict[str, Any]:
        if 'refused' in effects:
            return {metric: {'refused': effects['refused']} for metric in known}
        return {metric: _estimate(effect) for metric, effect in effects.items()}

    return {
        arm: {scope: filled(effects) for scope, effects in scopes.items()}
        for arm, scopes in arms.items()
    }


def _estimate(effect: Any) -> Any:
    """Return an estimate, whose p value was adjusted by Holm's procedure."""
    if isinstance(effect, str):
        return {'refused': effect}
    bounds = {'refused': 'version 1 computed no simultaneous intervals'}
    return {**effect, 'p_adjusted': effect['p_holm'], 'simultaneous': bounds}


def _dose_response(data: dict[str, Any]) -> dict[str, Any]:
    def curve(entry: dict[str, Any], entry_of: Callable[[Any], Any] = _number) -> dict[str, Any]:
        return {
            'AP': [entry_of(value) for value in entry['AP']],
            **{name: entry_of(entry[name]) for name in ('mPC', 'rPC')},
        }

    return {
        **data,
        'arms': {
            arm: {
                'mean': curve(entry),
                'runs': [{'source': run['source'], **curve(run)} for run in entry['runs']],
            }
            for arm, entry in data['arms'].items()
        },
        'effects': {arm: curve(entry, _dose_effect) for arm, entry in data['effects'].items()},
    }


def _dose_effect(effect: Any) -> Any:
    return _number(effect) if effect is None else _estimate(effect)


def _verdict(data: dict[str, Any]) -> dict[str, Any]:
    times = {'refused': 'measured times stand in cost.json'}
    audit = {'refused': 'version 1 kept audits as text; collect the sweep again'}
    return {
        'plan': data['plan'],
        'annotations': data['data']['annotations'],
        'images': data['data']['images'],
        'comparison': _comparison(data['comparison']),
        'dose': None if data['dose'] is None else _dose_response(data['dose']),
        'costs': {
            arm: {**cost, 'latency': times, 'latency_ratio': times}
            for arm, cost in data['costs'].items()
        },
        'audits': dict.fromkeys(data['audits'], audit),
        'differences': data['differences'],
        'runs': list(_runs(data)),
    }


def _runs(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    failed = {entry['run'] for entry in data['failed']}
    environments = {
        run: {key: entry[key] for key in ('versions', 'hardware', 'commit')}
        for entry in data['environments']
        for run in entry['runs']
    }
    for arm, entry in data['plan']['arms'].items():
        for seed in entry['seeds']:
            name = f'{arm}/seed_{seed}'
            yield {
                'arm': arm,
                'seed': seed,
                'state': 'failed' if name in failed else 'finished',
                'environment': environments.get(name),
            }


_UPGRADES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    'comparison': _comparison,
    'dose-response': _dose_response,
    'verdict': _verdict,
}
