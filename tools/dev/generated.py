"""Update the generated tables and files, or check that they are current.

    python tools/dev/generated.py            write
    python tools/dev/generated.py --check    exit 1 and name the file when a table has drifted

A table is the text between ``<!-- generated: NAME -->`` and ``<!-- end -->`` in any Markdown file
of the repository. NAME is a key of BLOCKS; its value is ``'module:function'``, which returns
Markdown. In ``<!-- generated: NAME ARGUMENT -->`` the second word is the function's argument. The
module is one of the package, or a script beside this one. The files of FILES are generated as a
whole.
"""

import argparse
import importlib
import re
import sys
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[2]
BLOCKS: dict[str, str] = {
    'calibration': 'calibration:table',
    'clutter-measures': 'mmdet_spatialattn.clutter.measures:measures_table',
    'injection-severities': 'mmdet_spatialattn.datasets.injection:severities_table',
    'mmdet-families': 'mmdet_families:markdown',
    'paired-calibration': 'paired_calibration:table',
    'operators': 'mmdet_spatialattn.compat.operators.table:markdown',
    'results': 'mmdet_spatialattn.experiments.metafile:results_tables',
    'attention-table': 'mmdet_spatialattn.attention.catalogue:attention_table',
    'verdict': 'verdict_examples:markdown',
}
FILES = {
    'mmdet_spatialattn/attention/catalogue.json': 'mmdet_spatialattn.attention.catalogue:to_json'
}
BLOCK = re.compile(r'(<!-- generated: ([\w-]+)(?: ([\w-]+))? -->\n).*?(<!-- end -->)', re.DOTALL)

sys.path.append(str(ROOT / 'tools/dev'))


def render(text: str) -> str:
    """Return ``text`` with the content of every generated block updated."""

    def fill(match: re.Match) -> str:
        start, name, argument, end = match.groups()
        return f'{start}{_content(BLOCKS[name], *filter(None, [argument]))}\n{end}'

    return BLOCK.sub(fill, text)


def _content(source: str, *arguments: str) -> str:
    module, function = source.split(':')
    return getattr(importlib.import_module(module), function)(*arguments).strip()


def documents() -> list[Path]:
    """Return the Markdown files that may contain generated blocks."""
    folders = ('docs', 'mmdet_spatialattn', 'configs', 'tools')
    return [*ROOT.glob('*.md'), *(path for f in folders for path in (ROOT / f).rglob('*.md'))]


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='write nothing, exit 1 on drift')
    args = parser.parse_args(argv)
    drifted = []
    current = {path: render(path.read_text(encoding='utf-8')) for path in documents()}
    current.update({ROOT / name: f'{_content(source)}\n' for name, source in FILES.items()})
    for path, new in current.items():
        old = path.read_text(encoding='utf-8') if path.is_file() else ''
        if new != old:
            drifted.append(str(path.relative_to(ROOT)))
            if not args.check:
                path.write_text(new, encoding='utf-8')
    outcome = 'drifted; run python tools/dev/generated.py' if args.check else 'written'
    for name in drifted:
        print(f'{name}: {outcome}')
    return 1 if drifted and args.check else 0


if __name__ == '__main__':
    sys.exit(main())
