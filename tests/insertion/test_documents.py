"""The README of insertion: its drawings are current, its Python runs, its keys and names exist."""

import re
import runpy

from mmdet_spatialattn.insertion import entry, pyramid, resnet

README = 'mmdet_spatialattn/insertion/README.md'


def test_the_drawings_are_current(repository):
    assert runpy.run_path(str(repository / 'tools/dev/drawings.py'))['main'](['--check']) == 0


def test_the_drawings_show_every_named_placement(repository):
    folder = repository / 'mmdet_spatialattn/insertion'
    for name, positions in (('bottleneck', resnet.POSITIONS), ('fpn', pyramid.POSITIONS)):
        marks = re.findall(r'>(\w+)</text>', (folder / f'{name}.svg').read_text())
        assert set(positions) <= set(marks)


def test_the_readme_names_every_key_and_placement(repository):
    text = (repository / README).read_text()
    for word in (*entry.KEYS, *resnet.POSITIONS, *pyramid.POSITIONS):
        assert f'`{word}' in text, word


def test_its_python_runs(repository, capsys):
    text = (repository / README).read_text()
    (code,) = (c for c in re.findall(r'```python\n(.*?)```', text, re.S) if 'import' in c)
    exec(compile(code, README, 'exec'), {})
    assert 'layer4.2.bn3.spatialattn' in capsys.readouterr().out
