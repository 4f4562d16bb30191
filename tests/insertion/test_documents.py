"""The page on places: its drawings are current, its Python runs, its keys and names exist."""

import re
import runpy

from mmdet_spatialattn.insertion import entry, pyramid, resnet

PAGE = 'docs/places.md'


def test_the_drawings_are_current(repository):
    assert runpy.run_path(str(repository / 'tools/dev/drawings.py'))['main'](['--check']) == 0


def test_the_drawings_show_every_named_placement(repository):
    for name, positions in (('bottleneck', resnet.POSITIONS), ('fpn', pyramid.POSITIONS)):
        marks = re.findall(r'>(\w+)</text>', (repository / 'docs' / f'{name}.svg').read_text())
        assert set(positions) <= set(marks)


def test_the_page_names_every_key_and_placement(repository):
    text = (repository / PAGE).read_text()
    for word in (*entry.KEYS, *resnet.POSITIONS, *pyramid.POSITIONS):
        assert f'`{word}' in text, word


def test_its_python_runs(repository, capsys):
    text = (repository / PAGE).read_text()
    blocks = re.findall(r'```python\n(.*?)```', text, re.S)
    (code,) = (block for block in blocks if 'insert_attention(' in block)
    exec(compile(code, PAGE, 'exec'), {})
    assert 'layer4.2.bn3.spatialattn' in capsys.readouterr().out
