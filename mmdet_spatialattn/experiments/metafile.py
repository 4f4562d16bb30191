"""Results that are kept: the ``metafile.yml`` of a folder of configs, and tables made from it."""

from pathlib import Path
from typing import Any, Optional

import yaml

from ..comparison.verdict import points
from ..errors import UserError, cannot_read
from ..io import PathLike, atomic_path

ROOT = Path(__file__).parents[2]
RESULTS = {
    'Clutter digits': 'configs/clutter_digits/metafile.yml',
    'Clutter digits, twelve epochs': 'configs/clutter_digits/width.yml',
    'BCCD': 'configs/bccd/metafile.yml',
}
"""The measured results of this repository, by their titles."""

_KEPT = ('estimate', 'low', 'high', 'p_holm', 'detectable')
_DIGITS = 6  # the tables round once more, and must not see a rounded half


def write_metafile(path: PathLike, verdict: dict[str, Any]) -> None:
    """Write the results of a sweep: a list ``Models``, one per arm; ``null`` where nothing ran.

    Args:
        path: The metafile.
        verdict: What ``verdict.json`` holds.
    """
    plan, comparison = verdict['plan'], verdict['comparison']
    baseline = plan['arms'][plan['baseline']]['config']
    content = {
        'Plan': plan['name'],
        'Environments': [_environment(one) for one in verdict['environments']],
        'Data': {
            **{key: comparison['annotations'][key] for key in ('images', 'objects', 'classes')},
            'strata': {
                row['stratum']: {key: row[key] for key in ('objects', 'images')}
                for row in comparison['strata']
            },
        },
        'Models': [
            {
                'Name': name,
                'Config': _in_repository(arm['config']),
                **({'Overrides': arm['overrides']} if arm['overrides'] else {}),
                'Baseline': None if name == plan['baseline'] else _in_repository(baseline),
                'Results': _results(name, verdict),
            }
            for name, arm in plan['arms'].items()
        ],
    }
    text = yaml.safe_dump(_rounded(content), sort_keys=False, allow_unicode=True, width=100)
    command = f'spatialattn sweep PLAN --metafile {Path(path).name}'
    with atomic_path(path) as temporary:
        temporary.write_text(f'# Written by `{command}`; null: not run.\n{text}', encoding='utf-8')


def read_metafile(path: PathLike) -> dict[str, Any]:
    """Read a metafile.

    Raises:
        UserError: It is absent or no YAML.
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
        if (ROOT / name).is_file():
            parts.append(_table(title, name, read_metafile(ROOT / name)))
    return '\n\n'.join(parts) or 'No results are recorded yet.'


def _table(title: str, name: str, content: dict[str, Any]) -> str:
    data, strata = content['Data'], list(content['Data']['strata'])
    most = strata[-1]
    lines = [
        f'**{title}**: {data["objects"]} objects in {data["images"]} images, '
        f'{data["strata"][most]["objects"]} of them {most}; [{name}]({name})',
        '',
        f'| arm | seeds | AP | effect | effect, {most} | clutter gain | verdict | parameters '
        '| FLOPs |',
        '|---|---:|---:|---:|---:|---:|---|---:|---:|',
    ]
    models = {m['Name']: m['Results'] for m in content['Models']}
    base = next((r for r in models.values() if r and 'effect' not in r), None)
    for arm, found in models.items():
        if found is None:
            lines.append(f'| {arm} | 0 | | | | | not run | | |')
            continue
        effect, gain = found.get('effect', {}), found.get('clutter_gain')
        ap = points(found['AP']['mean'])
        ratios = [
            f'{found["cost"][key] / base["cost"][key]:.2f} x' if base else ''
            for key in ('parameters', 'flops')
        ]
        cells = [_cell(effect.get('overall')), _cell(effect.get(most)), _cell(gain)]
        words = [arm, str(len(found['seeds'])), ap, *cells, found.get('verdict', ''), *ratios]
        lines.append(f'| {" | ".join(words)} |')
    return '\n'.join(lines)


def _cell(estimate: Optional[dict[str, float]]) -> str:
    if not estimate or 'estimate' not in estimate:
        return ''
    value, low, high = (points(estimate[key], True) for key in ('estimate', 'low', 'high'))
    return f'{value} [{low}, {high}]'


def _results(arm: str, verdict: dict[str, Any]) -> Optional[dict[str, Any]]:
    comparison = verdict['comparison']
    if arm not in comparison['arms']:
        return None
    found = comparison['arms'][arm]
    results: dict[str, Any] = {
        'seeds': [int(run['source'].split('/')[-2].rpartition('_')[2]) for run in found['runs']],
        'AP': {
            'mean': found['overall']['AP'],
            'runs': [run['overall']['AP'] for run in found['runs']],
            **{stratum: of['AP'] for stratum, of in found['strata'].items()},
        },
        'cost': verdict['costs'][arm],
    }
    if arm in comparison['effects']:
        effects = comparison['effects'][arm]
        places = {'overall': effects['overall'], **effects['strata']}
        gain = comparison['clutter_gain'][arm]
        results |= {
            'effect': {place: _estimate(of) for place, of in places.items()},
            'clutter_gain': _estimate(gain['plain']),
            'clutter_gain_size_adjusted': _estimate(gain['size_adjusted']),
            'verdict': comparison['verdicts'][arm]['word'],
        }
    return results


def _environment(of: dict[str, Any]) -> dict[str, Any]:
    hardware = of['hardware']
    return {
        'Runs': len(of['runs']),
        'Hardware': f'{hardware["processor"]}, {hardware["cores"]} cores, {hardware["device"]}',
        'Versions': of['versions'],
        'Commit': of['commit'],
    }


def _estimate(of: dict[str, Any]) -> dict[str, Any]:
    return {key: of['AP'][key] for key in _KEPT} if of.get('AP') else of


def _in_repository(path: str) -> str:
    full = Path(path).resolve()
    return full.relative_to(ROOT).as_posix() if full.is_relative_to(ROOT) else path


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return round(value, _DIGITS) if isinstance(value, float) else value
