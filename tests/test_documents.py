"""What the README and the first pages show, runs: commands in order, and the config."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from tests.experiments.sets import save_weights, small_cells

ROOT = Path(__file__).resolve().parents[1]
PAGES = ('docs/index.md', 'docs/own_data.md', 'README.md')


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language in a document."""
    text = (ROOT / page).read_text(encoding='utf-8')
    return re.findall(rf'```{language}\n(.*?)```', text, re.DOTALL)


COMMANDS = [
    command
    for page in PAGES
    for block in blocks(page, 'bash')
    for line in block.replace('\\\n', ' ').splitlines()
    if (command := line.split('   #')[0].split(' # ')[0].strip())
]
TINY_IMAGES = [
    f'{loader}_dataloader.{key}'
    for loader, resize in (('train', 2), ('test', 1))
    for key in (
        f'dataset.pipeline.{resize}.scale=(96,96)',
        'num_workers=0',
        'persistent_workers=False',
    )
]
SMALLER = {
    'scenes': ['--images', '60', '--levels', '0,4'],
    'train': [
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
    ],
    'try': ['--write-plan', 'try', '--cfg-options', *TINY_IMAGES],
}
"""What is added to a command here, so that it takes seconds and not minutes."""


@pytest.fixture(scope='module')
def playground(tmp_path_factory):
    """A working copy for the commands, with the repository's configs and tools."""
    folder = tmp_path_factory.mktemp('documents')
    for name in ('configs', 'tools'):
        (folder / name).symlink_to(ROOT / name)
    (folder / 'cells').mkdir()
    small_cells(folder / 'cells', images=60).rename(folder / 'cells.json')
    detector = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
    save_weights(detector, ('red', 'white'), folder / 'detector.pth')
    return folder


@pytest.mark.slow
def test_the_commands_run_in_the_order_of_the_pages(playground):
    once = dict.fromkeys(command for command in COMMANDS if command.startswith('spatialattn '))
    commands = [shlex.split(command) for command in once]
    assert len(commands) >= 6
    for _, name, *arguments in commands:
        line = [name, *arguments, *SMALLER.get(name, [])]
        done = subprocess.run(
            [sys.executable, '-m', 'mmdet_spatialattn.cli', *line],
            cwd=playground, env={**os.environ, 'PYTHONPATH': str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f'{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}'
    assert (playground / 'scenes.png').is_file() and (playground / 'clutter.html').is_file()


@pytest.mark.parametrize('command', sorted({c for c in COMMANDS if c.startswith('make ')}))
def test_the_targets_exist_and_set_up_first(command):
    done = subprocess.run(
        ['make', '--dry-run', '--always-make', '--no-print-directory', *command.split()[1:]],
        cwd=ROOT, env={k: v for k, v in os.environ.items() if not k.startswith('MAKE')},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    announced, *steps = done.stdout.splitlines()
    assert 'downloads torch and MMDetection' in announced
    assert '-m venv .venv' in steps[0] and 'constraints.txt' in steps[1]


def test_no_command_of_these_pages_is_left_untested():
    tested = ('make ', 'spatialattn ', '. .venv')
    rest = [c for c in COMMANDS if not c.startswith(tested)]
    assert rest == []


def test_the_config_on_the_page_of_places_builds_a_detector(tmp_path):
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from mmdet_spatialattn.registry import MODELS

    path = tmp_path / 'config.py'
    path.write_text(blocks('docs/places.md', 'python')[0])
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None  # the weights would be downloaded
    init_default_scope('mmdet')
    detector = MODELS.build(config.model)
    names = [type(module).__name__ for module in detector.modules()]
    assert type(detector).__name__ == 'FasterRCNN'
    assert names.count('CBAM') == 4 + 6 + 3 and names.count('CoordAttention') == 3


def test_the_readme_is_one_screen():
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert len(text.splitlines()) <= 60 and '|---|' not in text


def test_links_between_documents_lead_to_files():
    for page in (ROOT / 'README.md', ROOT / 'CONTRIBUTING.md'):
        targets = re.findall(r'\]\(([^)#:]+)(?:#[\w-]+)?\)', page.read_text(encoding='utf-8'))
        assert targets
        assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_verdict_has_an_example(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/dev')
    from verdict_examples import EXAMPLES, markdown

    from mmdet_spatialattn.comparison.verdict import WORDS, judge

    assert {judge(evidence).word for evidence in EXAMPLES.values()} == set(WORDS)
    page = (ROOT / 'docs/verdict.md').read_text(encoding='utf-8')
    for name in EXAMPLES:
        assert markdown(name) in page


def test_the_example_of_attention_that_never_trained_reads_as_in_a_sweep(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/dev')
    from verdict_examples import EXAMPLES, UNTRAINED

    from mmdet_spatialattn.experiments.collect import _withheld
    from mmdet_spatialattn.experiments.plan import Arm, Plan
    from mmdet_spatialattn.results import Run

    arms = (Arm('plain', Path('plain.py')), Arm('cbam', Path('cbam.py')))
    plan = Plan(name='small', arms=arms, baseline='plain', seeds=(0,))
    reasons = _withheld(plan, [Run('plain', 0), Run('cbam', 0, health=UNTRAINED.summary())])
    assert reasons == {'cbam': EXAMPLES['never-trained'].withheld}
