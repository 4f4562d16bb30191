"""The results of a folder of configs, ``metafile.yml``, and the tables made from them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Optional

import yaml

from ..compat.configs import SEPARATOR
from ..errors import UserError, cannot_read
from ..io import PathLike, atomic_path
from ..results import (
    OVERALL,
    Bounds,
    Comparison,
    Environment,
    Refused,
    Run,
    RunHealth,
    SweepResult,
)
from ..results.comparison import SIZE_ADJUSTED
from ..results.estimates import EstimateOrRefused, Number
from ..tables import estimate_points, interval_points, points

ROOT = Path(__file__).parents[2]
RESULTS = {
    'Clutter digits': 'configs/clutter_digits/metafile.yml',
    'Clutter digits, three bases': 'configs/clutter_digits/three_bases.yml',
    'Crowded nuclei (DSB2018)': 'configs/dsb2018/metafile.yml',
    'Blood cells (BCCD)': 'configs/bccd/metafile.yml',
    'Clutter digits, from scratch': 'configs/clutter_digits/width.yml',
}
"""The measured results of this repository, by their titles."""

_NUMBERS = ('estimate', 'low', 'high', 'p_adjusted', 'detectable')
_COSTS = ('parameters', 'flops', 'memory')
_DIGITS = 6  # the tables round once more, and must not see a rounded half


def write_metafile(path: PathLike, result: SweepResult) -> None:
    """Write the result of a sweep: a list ``Models``, one per arm; ``null`` where nothing ran."""
    plan, comparison = result.plan, result.comparison
    baseline = _in_repository(plan.arms[plan.baseline].config)
    test_set = comparison.test_set
    content = {
        'Plan': plan.name,
        'Estimand': plan.estimand,
        **({'Start': plan.start, 'Fine-tuning': plan.fine_tuning} if plan.start else {}),
        **({'By': comparison.shape} if comparison.shape == 'masks' else {}),
        'Delta': plan.delta,
        'Detectable': {question: dict(power.curve) for question, power in comparison.power.items()},
        'Environments': _environments(result.runs),
        'Data': {
            'images': test_set.images,
            'objects': test_set.objects,
            'classes': test_set.classes,
            'strata': {
                stratum.name: {'objects': stratum.objects, 'images': stratum.images}
                for stratum in comparison.strata
            },
        },
        'Models': [
            {
                'Name': name,
                'Config': _in_repository(arm.config),
                **({'Overrides': arm.overrides} if arm.overrides else {}),
                'Baseline': None if name == plan.baseline else baseline,
                'Results': _results(name, result),
            }
            for name, arm in plan.arms.items()
        ],
    }
    text = yaml.safe_dump(_rounded(content), sort_keys=False, allow_unicode=True, width=100)
    command = f'spatialattn sweep PLAN --metafile {Path(path).name}'
    with atomic_path(path) as temporary:
        temporary.write_text(f'# Written by `{command}`; null: not run.\n{text}', encoding='utf-8')


def read_metafile(path: PathLike) -> dict[str, Any]:
    """Read a metafile.

    Raises:
        MissingFile: The file does not exist.
        UserError: It cannot be read or is not YAML.
    """
    try:
        return yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise cannot_read(path, error) from error
    except yaml.YAMLError as error:
        raise UserError(f'{path} is not YAML: {error}') from error


def results_tables() -> str:
    """Return the measured results of this repository as Markdown."""
    parts = []
    for title, name in RESULTS.items():
        content = read_metafile(ROOT / name)
        if any(model['Results'] for model in content['Models']):
            parts.append(_table(title, name, content))
    return '\n\n'.join(parts) or 'No results are recorded yet.'


def _table(title: str, name: str, content: dict[str, Any]) -> str:
    data, strata = content['Data'], list(content['Data']['strata'])
    most = strata[-1]
    shape = ', by masks' if content.get('By') == 'masks' else ''
    lines = [
        f'**{title}**, {_estimand(content)}{shape}: '
        f'{data["objects"]} objects in {data["images"]} test images, '
        f'{data["strata"][most]["objects"]} of them {most}; `{name}`{_detectable(content)}',
        '',
        f'| arm | seeds | AP | effect | effect, {most} | clutter gain | features changed | verdict '
        '| parameters | FLOPs |',
        '|---|---:|---:|---:|---:|---:|---:|---|---:|---:|',
    ]
    models = {model['Name']: model['Results'] for model in content['Models']}
    measured = [results for results in models.values() if results]
    baseline = next((results for results in measured if 'effect' not in results), None)
    for arm, results in models.items():
        missing = ('', '', '', '', '', '', 'not run', '', '')
        cells = [arm, *(_cells(results, baseline, most) if results else missing)]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def _estimand(content: dict[str, Any]) -> str:
    """Return what was done to the detectors."""
    if content.get('Estimand', 'trained') == 'trained':
        return 'every run trained from scratch'
    bases = len(content['Start'].get('seeds', (0,)))
    detectors = 'one trained detector' if bases == 1 else f'{bases} trained detectors'
    return f'inserted into {detectors} and fine-tuned with common seeds'


def _cells(results: dict[str, Any], baseline: Optional[dict[str, Any]], most: str) -> list[str]:
    effects = results.get('effect', {})
    estimates = (effects.get('overall'), effects.get(most), results.get('clutter_gain'))
    ratios = [
        f'{results["cost"][kind] / baseline["cost"][kind]:.2f} x' if baseline else ''
        for kind in ('parameters', 'flops')
    ]
    return [
        str(len(set(results['seeds']))),
        points(results['AP']['mean']),
        *map(_interval, estimates),
        _change(results.get('health', ())),
        results.get('verdict', ''),
        *ratios,
    ]


def _interval(estimate: Optional[dict[str, Any]]) -> str:
    if not estimate or 'estimate' not in estimate:
        return ''
    low, high = estimate.get('simultaneous') or (estimate['low'], estimate['high'])
    value = estimate_points(estimate['estimate'], low, high, signed=True)
    return f'{value} {interval_points(low, high, signed=True)}'


def _change(health: Sequence[dict[str, Any]]) -> str:
    """Return by how much the attention changes the features, the mean over the runs."""
    changes = [run['change'] for run in health if 'change' in run]
    return f'{100 * sum(changes) / len(changes):.1f} %' if changes else ''


def _detectable(content: dict[str, Any]) -> str:
    """Return what the comparison can see with the seeds of most arms, as a sentence."""
    seeds = max(len(set(m['Results']['seeds'])) for m in content['Models'] if m['Results'])
    effects = [
        f'{points(curve[max(n for n in curve if n <= seeds)], decimals=2)} {question}'
        for question, curve in content.get('Detectable', {}).items()
    ]
    return f'. Found four times in five: an effect of {" or ".join(effects)}' if effects else ''


def _environments(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Group the finished runs by the environment that produced them."""
    groups: list[tuple[Environment, list[Run]]] = []
    for run in runs:
        if run.environment is None:
            continue
        for environment, members in groups:
            if environment == run.environment:
                members.append(run)
                break
        else:
            groups.append((run.environment, [run]))
    return [_environment(environment, len(members)) for environment, members in groups]


def _environment(environment: Environment, n_runs: int) -> dict[str, Any]:
    hardware = environment.hardware
    return {
        'Runs': n_runs,
        'Hardware': f'{hardware["processor"]}, {hardware["cores"]} cores, {hardware["device"]}',
        'Versions': environment.versions,
        'Commit': environment.commit,
    }


def _results(arm: str, result: SweepResult) -> Optional[dict[str, Any]]:
    comparison = result.comparison
    if arm not in comparison.arms:
        return None
    results: dict[str, Any] = {
        'seeds': [run.seed for run in result.finished[arm]],
        'AP': _precisions(arm, comparison),
        'cost': {kind: getattr(result.costs[arm], kind) for kind in _COSTS},
    }
    if arm in result.health:
        results['health'] = [_health(run) for run in result.health[arm]]
    results |= _effects(arm, comparison)
    if result.boxes is not None:
        results['boxes'] = {'AP': _precisions(arm, result.boxes), **_effects(arm, result.boxes)}
    return results


def _precisions(arm: str, comparison: Comparison) -> dict[str, Any]:
    measured = comparison.arms[arm]
    strata = [stratum.name for stratum in comparison.strata]
    return {
        'mean': _number(measured.metrics[OVERALL]['AP']),
        'runs': [_number(run.metrics[OVERALL]['AP']) for run in measured.runs],
        **{stratum: _number(measured.metrics[stratum]['AP']) for stratum in strata},
    }


def _effects(arm: str, comparison: Comparison) -> dict[str, Any]:
    """Return the effects of an arm; none of the baseline."""
    if arm not in comparison.effects:
        return {}
    return {
        'effect': {scope: _estimate(comparison.effect(arm, scope)) for scope in comparison.scopes},
        'clutter_gain': _estimate(comparison.gain(arm)),
        'clutter_gain_size_adjusted': _estimate(comparison.gain(arm, SIZE_ADJUSTED)),
        'verdict': comparison.verdicts[arm].word,
    }


def _health(run: RunHealth) -> dict[str, Any]:
    known = asdict(run)
    return {name: value for name, value in known.items() if value not in (None, '')}


def _number(number: Number) -> Optional[float]:
    return None if isinstance(number, Refused) else number


def _estimate(effect: EstimateOrRefused) -> dict[str, Any]:
    if isinstance(effect, Refused):
        return {'refused': effect.reason}
    bounds = effect.simultaneous
    together = [bounds.low, bounds.high] if isinstance(bounds, Bounds) else None
    return {**{name: getattr(effect, name) for name in _NUMBERS}, 'simultaneous': together}


def _in_repository(path: str) -> str:
    if SEPARATOR in path:
        return path
    full = Path(path).resolve()
    return full.relative_to(ROOT).as_posix() if full.is_relative_to(ROOT) else path


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(entry) for entry in value]
    return round(value, _DIGITS) if isinstance(value, float) else value
