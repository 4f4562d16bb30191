"""Say what a sweep can see: the smallest effects by seeds, and what a smaller one would take.

    spatialattn power work_dirs/pilot
    spatialattn power PLAN --effect 0.3 --scope crowded

The variances come from the finished runs of a pilot, a sweep with at least two seeds. PLAN is the
plan of the pilot; then the hours are estimated too, from a few steps of every arm.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..errors import MissingFile, UserError, did_you_mean
from ._command import Parser, command, maybe_write_json, print_next
from ._sweep import add_sweep_flags

if TYPE_CHECKING:
    from ..experiments import Forecast
    from ..results import Power


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('power', __doc__)
    parser.add_argument('sweep', metavar='PLAN|FOLDER', help='plan of the pilot, or its folder')
    parser.add_argument(
        '--work-dir', metavar='DIR', help='folder of the pilot (default: work_dirs/NAME_OF_PLAN)'
    )
    parser.add_argument(
        '--effect',
        type=float,
        default=0.5,
        metavar='POINTS',
        help='effect that is to be found, in points (default %(default)s)',
    )
    parser.add_argument(
        '--scope', default='overall', help='overall, or the name of a stratum (default overall)'
    )
    add_sweep_flags(parser)
    parser.add_json()
    args = parser.parse_args(argv)
    if not args.effect > 0:
        parser.error(f'--effect must be above 0, got {args.effect:g}')

    from ..experiments.plan import load_plan
    from ..results import SweepResult

    plan = None if Path(args.sweep).is_dir() else load_plan(args.sweep)
    folder = Path(args.sweep)
    if plan is not None:
        folder = Path(args.work_dir or Path('work_dirs', plan.name))
    stored = folder / 'verdict.json'
    if not stored.is_file():
        raise MissingFile(
            f'no pilot at {folder}: run the sweep with at least two seeds first, or give '
            '--work-dir; if it is running, add --collect to its command'
        )
    power = _of_scope(SweepResult.read(stored).comparison.power, args.scope)
    forecast = None
    if plan is not None:
        from ..experiments import dry_run

        forecast = dry_run(plan, folder, jobs=args.jobs, device=args.device)
    print(power)
    answer = _needed(power, args.effect / 100, forecast)
    print(f'\n{answer["sentence"]}')
    maybe_write_json(args.json, {**power.to_dict(), 'needed': answer})
    print_next('spatialattn sweep PLAN --until-clear adds seeds until every arm is settled')
    return 0


def _of_scope(powers: dict[str, 'Power'], scope: str) -> 'Power':
    if not powers:
        raise UserError(
            'the pilot has one seed per arm, or arms without common seeds: nothing is known of the '
            'noise of training; run it with at least two seeds'
        )
    by_scope = {power.scope: power for power in powers.values() if power.metric == 'AP'}
    if scope not in by_scope:
        raise UserError(
            f"unknown scope '{scope}'{did_you_mean(scope, by_scope)} (known: {', '.join(by_scope)})"
        )
    return by_scope[scope]


def _needed(power: 'Power', effect: float, forecast: Optional['Forecast']) -> dict[str, Any]:
    """Return the seeds, images and hours that an effect takes, and a sentence of them."""
    from ..comparison.power import Design, seeds_needed, stored_components, units_needed
    from ..tables import points

    components = stored_components(power)
    design = Design(12, power.n_arms, bases=power.n_bases, level=power.level)
    seeds = seeds_needed(components, design, effect)
    images = units_needed(components, design, effect)
    wanted = f'An effect of {points(effect, decimals=2)} {power.metric} {power.scope}'
    if seeds is not None:
        sentence = f'{wanted} is found four times in five with {seeds} seeds'
    elif images is not None:
        sentence = (
            f'{wanted} takes more test images: with 12 seeds about {images} instead of '
            f'{power.n_units}'
        )
    else:
        sentence = f'{wanted} is out of reach of more seeds or more images'
    hours = None
    if seeds is not None and forecast is not None:
        seconds = sum(arm.seconds for arm in forecast.arms.values())
        hours = seconds * seeds * power.n_bases / forecast.jobs / 3600
        sentence += f', about {hours:.1f} hours with {forecast.jobs} runs at a time'
    return {'seeds': seeds, 'images': images, 'hours': hours, 'sentence': f'{sentence}.'}
