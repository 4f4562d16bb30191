"""A part of the matrix of faults; the whole of it wrote docs/reliability.md."""

import itertools
import re
import runpy
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
faults = runpy.run_path(str(REPOSITORY / 'tools/dev/faults.py'))
SLOW = ('checkpoint of train', 'of a sweep', 'checkpoint of test')
"""Categories whose commands build detectors."""


def test_every_tenth_fault_is_read_or_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(faults['run'].__globals__, 'LIMIT', 60)  # other tests run beside this one
    wrong = []
    number, counted = itertools.count(), 0
    for fault in faults['everything']():
        if not fault.category.endswith(SLOW) and not fault.category.startswith(SLOW):
            if next(number) % 10:
                continue
        elif next(number) % 40:
            continue
        counted += 1
        outcome = faults['run'](fault)
        if outcome.kind not in (faults['READ'], faults['REFUSED']):
            wrong.append((fault.category, fault.name, outcome))
    assert counted > 60 and not wrong, wrong


def test_the_runner_notices_what_is_not_promised(tmp_path, monkeypatch):
    """An oracle for the matrix itself: each kind of bad ending is told as such."""

    def outcome(main, promise=(faults['READ'], faults['REFUSED'])):
        monkeypatch.setitem(faults['run'].__globals__, 'main', main)
        return faults['run'](faults['Fault']('x', 'y', lambda folder: [], promise)).kind

    def refuse(argv):
        print('spatialattn x: error: no', file=sys.stderr)
        return 2

    def attack(argv):
        open('executed', 'w').close()
        return 0

    def crash(argv):
        raise KeyError('x')

    def wait(argv):
        while True:
            pass

    monkeypatch.setitem(faults['run'].__globals__, 'LIMIT', 1)
    assert outcome(lambda argv: 0) == faults['READ']
    assert outcome(refuse) == faults['REFUSED']
    assert outcome(lambda argv: 0, (faults['REFUSED'],)) == faults['OTHER']
    assert outcome(lambda argv: 2) == faults['OTHER']  # without a line
    assert outcome(crash) == faults['TRACEBACK']
    assert outcome(wait) == faults['HANG']
    assert outcome(attack) == faults['EXECUTED']


def test_the_page_has_a_row_for_every_category_and_nothing_bad():
    page = (REPOSITORY / 'docs/reliability.md').read_text()
    rows = re.findall(r'^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \| (.+) \|$', page, re.MULTILINE)
    assert rows[-1][0] == 'all' and int(rows[-1][1]) >= 800
    for category, number, refused, read, bad in rows:
        assert int(refused) + int(read) == int(number), category
        assert set(bad.split(' | ')) == {'0'}, category
    categories = {fault.category for fault in faults['everything']()}
    assert categories == {row[0] for row in rows[:-1]}


@pytest.mark.parametrize('spoil', ['a pipe', 'an endless device', 'a link to itself'])
def test_the_faults_of_paths_are_what_they_are_called(tmp_path, spoil):
    path = tmp_path / 'file.json'
    faults['SPOILS'][spoil](path, b'{}')
    assert not path.is_file() or path.is_symlink()
