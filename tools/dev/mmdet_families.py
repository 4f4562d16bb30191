"""Try all of MMDetection's model families: does one model of each build, train and predict?

    python tools/dev/mmdet_families.py                     those without a result, one at a time
    python tools/dev/mmdet_families.py --only retinanet    some, again
    python tools/dev/generated.py                          then write the table again

See ``mmdet_family.py`` for what is tried. Every family has a process of its own, and its result is
kept at once in ``mmdet_families.json`` beside this script, so that a run can be broken off.
"""

import argparse
import multiprocessing
import multiprocessing.connection
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Optional

from mmdet_spatialattn.errors import did_you_mean
from mmdet_spatialattn.io import read_json, write_json

RESULTS = Path(__file__).with_suffix('.json')
PACKAGES = ('torch', 'torchvision', 'mmdet', 'mmengine', 'mmcv-lite', 'mmcv')
# Optional packages of MMDetection's models, by the word in the error that asks for them.
OPTIONAL = {
    'mmpretrain': 'mmpretrain',
    'lap': 'lap',
    'fairscale': 'fairscale',
    'motmetrics': 'motmetrics',
    'skimage': 'scikit-image',
    'scikit-image': 'scikit-image',
    'transformers': 'transformers',
    'detectron2': 'detectron2',
}


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', nargs='+', metavar='FAMILY', help='run these, done or not')
    parser.add_argument('--jobs', type=int, default=1, help='processes at a time (1)')
    parser.add_argument('--timeout', type=float, default=900, help='seconds per family (900)')
    parser.add_argument('--results', type=Path, default=RESULTS, help='the file of results')
    args = parser.parse_args(argv)
    os.environ['OMP_NUM_THREADS'] = '1'
    from mmdet_family import families

    configs = families()
    for name in args.only or []:
        if name not in configs:
            parser.error(f"unknown family '{name}'{did_you_mean(name, configs)}")
    results = read_json(args.results) if args.results.exists() else {'families': {}}
    results['versions'] = {'Python': platform.python_version(), **_versions()}
    todo = args.only or [name for name in configs if name not in results['families']]
    for done, (name, outcome) in enumerate(_outcomes(todo, args.jobs, args.timeout), start=1):
        results['families'][name] = {'config': configs[name], **outcome}
        results['families'] = dict(sorted(results['families'].items()))
        write_json(args.results, results)
        print(f'{done}/{len(todo)} {name}: {_verdict(outcome)}', flush=True)
    print(_summary(results['families']))
    return 0


def markdown() -> str:
    """Return the kept results as text and a table."""
    results = read_json(RESULTS)
    versions = ', '.join(f'{name} {version}' for name, version in results['versions'].items())
    lines = [
        f'{_summary(results["families"])} (`python tools/dev/mmdet_families.py`, on the CPU, with '
        f'{versions}.)',
        '',
        '| family | config | result | operators called |',
        '|---|---|---|---|',
    ]
    for name, outcome in results['families'].items():
        config = outcome['config'].partition('/')[2]
        operators = ', '.join(outcome['operators'])
        lines.append(f'| {name} | {config} | {_verdict(outcome)} | {operators} |')
    return '\n'.join(lines)


def _outcomes(names: list[str], jobs: int, timeout: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Try each family in a process of its own, and yield the outcomes as they come."""
    import mmdet.models  # noqa: F401  (once, before the processes fork)

    context = multiprocessing.get_context('fork')
    waiting, running = list(names), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_try, args=(waiting[0], sender))
            process.start()
            sender.close()
            running[receiver] = (waiting.pop(0), process, time.monotonic())
        ready = multiprocessing.connection.wait(list(running), timeout=1)
        for receiver, (name, process, started) in list(running.items()):
            seconds = time.monotonic() - started
            if receiver in ready:
                try:
                    outcome = receiver.recv()
                except EOFError:
                    process.join()
                    outcome = _failure(f'the process ended with code {process.exitcode}')
            elif seconds > timeout:
                process.kill()
                outcome = _failure(f'it still runs after {timeout:.0f} s')
            else:
                continue
            process.join()
            del running[receiver]
            yield name, {**outcome, 'seconds': round(seconds)}


def _try(family: str, sender: multiprocessing.connection.Connection) -> None:
    from mmdet_family import try_family

    sender.send(try_family(family))


def _failure(error: str) -> dict[str, Any]:
    return dict(stage='end', error=error, operators=[])


def _versions() -> dict[str, str]:
    installed = {d.metadata['Name']: d.version for d in metadata.distributions()}
    return {name: installed[name] for name in PACKAGES if name in installed}


def _needs(outcome: dict[str, Any]) -> str:
    """Return the optional package without which a family does not build, or an empty string."""
    words = re.findall(r'[\w-]+', outcome['error']) if outcome['stage'] == 'build' else []
    return next((OPTIONAL[w.lower()] for w in words if w.lower() in OPTIONAL), '')


def _verdict(outcome: dict[str, Any]) -> str:
    if not outcome['error']:
        return 'passes'
    if _needs(outcome):
        return f'needs {_needs(outcome)}'
    error = outcome['error'].replace('|', '/')
    return f'**fails** to {outcome["stage"]}: {error[:160]}'


def _summary(outcomes: dict[str, Any]) -> str:
    needy = sum(bool(_needs(outcome)) for outcome in outcomes.values())
    passed = sum(not outcome['error'] for outcome in outcomes.values())
    return (
        f'{passed} of the {len(outcomes) - needy} families that need no optional package build, '
        f'train a step and predict; {needy} more need one.'
    )


if __name__ == '__main__':
    sys.exit(main())
