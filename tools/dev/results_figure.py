"""Draw the effects and the clutter gains of the recorded results as SVG.

python tools/dev/results_figure.py            write docs/results.svg
python tools/dev/results_figure.py --check    exit 1 if the file and the metafiles differ

Arms that were trained with one seed only are left out.
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

OUT = ROOT / 'docs/results.svg'
QUANTITIES = ('effect on AP', 'clutter gain')
COLOURS = {'better': '#228833', 'worse': '#bb5566', 'open': '#5b6770'}
SIGNIFICANT = 0.05
ROW = 0.3  # inches

DataSets = dict[str, list[dict[str, Any]]]
"""By title of a data set, the models of its metafile that are drawn."""


def read_models() -> DataSets:
    """Return the models of the metafiles that have an effect and more than one seed."""
    models = {title: read_metafile(ROOT / name)['Models'] for title, name in RESULTS.items()}
    drawn = {
        title: [model for model in entries if _is_drawn(model['Results'])]
        for title, entries in models.items()
    }
    return {title: entries for title, entries in drawn.items() if entries}


def draw(data_sets: DataSets) -> str:
    """Return the figure as SVG: one panel per data set and quantity, one row per arm."""
    rows = [len(models) for models in data_sets.values()]
    figure, panels = plt.subplots(
        len(data_sets), 2, figsize=(9, 1.1 * len(data_sets) + ROW * sum(rows)), squeeze=False,
        gridspec_kw={'height_ratios': rows, 'wspace': 0.08}, sharey='row',
    )  # fmt: skip
    figure.subplots_adjust(left=0.16, right=0.985, top=1 - 0.35 / figure.get_figheight(),
                           bottom=0.5 / figure.get_figheight(), hspace=0.35)  # fmt: skip
    for line, (title, models) in zip(panels, data_sets.items()):
        results = [model['Results'] for model in models]
        estimates = (
            [(r['effect']['overall'], True) for r in results],
            [(r['clutter_gain'], _gains_in_clutter(r)) for r in results],
        )
        for panel, quantity, column in zip(line, QUANTITIES, estimates):
            for y, (estimate, praised) in enumerate(column):
                _draw_estimate(panel, y, estimate, praised=praised)
            _style(panel, f'{title}: {quantity}, points')
        line[0].set_yticks(range(len(models)), [model['Name'] for model in models])
        line[0].set_ylim(len(models) - 0.4, -0.6)
    buffer = io.StringIO()
    metadata = {'Date': None, 'Creator': None, 'Description': digest(data_sets)}
    figure.savefig(buffer, format='svg', metadata=metadata)
    plt.close(figure)
    return buffer.getvalue()


def digest(data_sets: DataSets) -> str:
    """Return a digest of the drawn data and of this file.

    It detects drift where the drawing itself cannot: its bytes differ between machines.
    """
    content = json.dumps(data_sets, sort_keys=True).encode() + Path(__file__).read_bytes()
    return hashlib.sha256(content).hexdigest()


def _is_drawn(results: Optional[dict[str, Any]]) -> bool:
    return bool(results and 'effect' in results and len(results['seeds']) > 1)


def _style(panel: Any, title: str) -> None:
    panel.axvline(0, color='#1f2933', linewidth=0.8)
    panel.grid(axis='x', color='#d9dee3', linewidth=0.6)
    panel.set_axisbelow(True)
    panel.set_title(title, loc='left', fontsize=10)
    panel.spines[['top', 'right', 'left']].set_visible(False)
    panel.tick_params(axis='y', length=0)


def _gains_in_clutter(results: dict[str, Any]) -> bool:
    """Return whether more is found in clutter: else a gain says that elsewhere more is lost."""
    *_, clutter = results['effect'].values()
    low, _high = clutter.get('simultaneous') or (clutter.get('low', 0), None)
    return low > 0


def _draw_estimate(panel: Any, y: int, estimate: dict[str, Any], *, praised: bool) -> None:
    """Draw an estimate with its interval, filled if it is significant; or why there is none."""
    if 'refused' in estimate:
        panel.text(0, y, estimate['refused'], va='center', fontsize=8)
        return
    # Results of version 1 have no simultaneous intervals, and Holm's p values under another key.
    ends = estimate.get('simultaneous') or (estimate['low'], estimate['high'])
    value, low, high = (100 * number for number in (estimate['estimate'], *ends))
    significant = estimate.get('p_adjusted', estimate.get('p_holm')) < SIGNIFICANT
    word = 'worse' if value < 0 else 'better' if praised else 'open'
    colour = COLOURS[word if significant else 'open']
    panel.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle='butt')
    fill = colour if significant else 'white'
    panel.plot(value, y, 'o', color=colour, markersize=6, markerfacecolor=fill)


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='write nothing, exit 1 on drift')
    args = parser.parse_args(argv)
    data_sets = read_models()
    if args.check:
        current = OUT.is_file() and digest(data_sets) in OUT.read_text(encoding='utf-8')
        if not current:
            print(f'{OUT.relative_to(ROOT)}: drifted; run python tools/dev/results_figure.py')
        return int(not current)
    OUT.write_text(draw(data_sets), encoding='utf-8')
    print(f'{OUT.relative_to(ROOT)}: written')
    return 0


if __name__ == '__main__':
    sys.exit(main())
