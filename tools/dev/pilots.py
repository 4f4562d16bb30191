"""Store the variance components of finished sweeps, for what a new comparison could see.

python tools/dev/pilots.py WORK_DIR/verdict.json [...]

Only sweeps with a common start are taken; the name is that of the plan.
"""

import argparse

from mmdet_spatialattn.comparison.pilots import PILOTS
from mmdet_spatialattn.io import write_json
from mmdet_spatialattn.results import SweepResult

SCOPES = ('overall', 'crowded')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('verdicts', nargs='+', metavar='VERDICT')
    results = [SweepResult.read(path) for path in parser.parse_args().verdicts]
    assert all(result.plan.start is not None for result in results), 'sweeps from scratch differ'
    stored = {
        scope: {r.plan.name: r.comparison.power[f'AP {scope}'].to_dict() for r in results}
        for scope in SCOPES
    }
    write_json(PILOTS, stored)
    print(f'{PILOTS}: {", ".join(result.plan.name for result in results)}')


if __name__ == '__main__':
    main()
