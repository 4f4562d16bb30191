"""Draw the measured results: the effects and clutter gains of arms with several seeds, as SVG.

python tools/dev/results_figure.py            write configs/results.svg
python tools/dev/results_figure.py --check    exit 1 when it is not what the metafiles hold
"""

import argparse
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any, Optional

import matplotlib

from mmdet_spatialattn.experiments.metafile import RESULTS, ROOT, read_metafile

matplotlib.use('svg')
matplotlib.rcParams.update(
    {
        'svg.fonttype': 'none',
        'svg.hashsalt': 'results',
        'font.family': 'sans-serif',
        'font.size': 10,
    }
)

import matplotlib.pyplot as plt  # noqa: E402  after the backend is chosen

OUT = ROOT / 'configs/results.svg'
COLUMNS = (('effect', 'overall', 'effect on AP'), ('clutter_gain', None, 'clutter gain'))
COLOURS = {'better': '#228833', 'worse': '#bb5566', 'open': '#5b6770'}
ROW = 0.3  # inches


Sets = dict[str, list[dict[str, Any]]]
"""The arms that are drawn, by data set."""


def shown() -> Sets:
    """Return what the metafiles hold of arms with an effect and more than one seed."""
    return {
        title: [m for m in read_metafile(ROOT / name)['Models'] if _is_shown(m['Results'])]
        for title, name in RESULTS.items()
        if (ROOT / name).is_file()
    }


def draw(sets: Sets) -> str:
    """Return the figure: a panel per data set and column, a row per arm."""
    rows = [len(models) for models in sets.values()]
    figure, panels = plt.subplots(
        len(sets), 2, figsize=(9, 1.1 * len(sets) + ROW * sum(rows)), squeeze=False,
        gridspec_kw={'height_ratios': rows, 'wspace': 0.08}, sharey='row',
    )  # fmt: skip
    figure.subplots_adjust(left=0.16, right=0.985, top=1 - 0.35 / figure.get_figheight(),
                           bottom=0.5 / figure.get_figheight(), hspace=0.35)  # fmt: skip
    for line, (title, models) in zip(panels, sets.items()):
        for panel, (key, place, name) in zip(line, COLUMNS):
            for y, model in enumerate(models):
                found = model['Results'][key]
                _estimate(panel, y, found[place] if place else found)
            panel.axvline(0, color='#1f2933', linewidth=0.8)
            panel.grid(axis='x', color='#d9dee3', linewidth=0.6)
            panel.set_axisbelow(True)
            panel.set_title(f'{title}: {name}, points', loc='left', fontsize=10)
            panel.spines[['top', 'right', 'left']].set_visible(False)
            panel.tick_params(axis='y', length=0)
        line[0].set_yticks(range(len(models)), [model['Name'] for model in models])
        line[0].set_ylim(len(models) - 0.4, -0.6)
    buffer = io.StringIO()
    metadata = {'Date': None, 'Creator': None, 'Description': digest(sets)}
    figure.savefig(buffer, format='svg', metadata=metadata)
    plt.close(figure)
    return buffer.getvalue()


def digest(sets: Sets) -> str:
    """Return a name of what is drawn and how; the bytes of a drawing differ between machines."""
    content = json.dumps(sets, sort_keys=True).encode() + Path(__file__).read_bytes()
    return hashlib.sha256(content).hexdigest()


def _is_shown(results: Optional[dict[str, Any]]) -> bool:
    return bool(results and 'effect' in results and len(results['seeds']) > 1)


def _estimate(panel: Any, y: int, of: dict[str, Any]) -> None:
    if 'estimate' not in of:
        panel.text(0, y, 'too few objects', va='center', fontsize=8)
        return
    value, low, high = (100 * of[key] for key in ('estimate', 'low', 'high'))
    sure = of['p_holm'] < 0.05
    colour = COLOURS['open' if not sure else 'better' if value > 0 else 'worse']
    panel.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle='butt')
    panel.plot(
        value, y, 'o', color=colour, markersize=6, markerfacecolor=colour if sure else 'white'
    )


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='write nothing, exit 1 on drift')
    args = parser.parse_args(argv)
    sets = shown()
    if args.check:
        current = OUT.is_file() and digest(sets) in OUT.read_text(encoding='utf-8')
        if not current:
            print(f'{OUT.relative_to(ROOT)}: drifted; run python tools/dev/results_figure.py')
        return int(not current)
    OUT.write_text(draw(sets), encoding='utf-8')
    print(f'{OUT.relative_to(ROOT)}: written')
    return 0


if __name__ == '__main__':
    sys.exit(main())
