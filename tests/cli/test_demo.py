"""``spatialattn demo``, small: a sweep of its own scenes, taken up where it was left."""

import json

import pytest

from mmdet_spatialattn.cli.demo import main
from mmdet_spatialattn.results import SweepResult

SMALL = ['--images', '150', '--epochs', '1']


@pytest.mark.slow
def test_the_demo_ends_with_a_verdict_and_given_again_only_prints_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')
    folder = tmp_path / 'out'
    argv = [*SMALL, '--work-dir', str(folder), '--json', str(tmp_path / 'verdict.json')]
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert 'cbam-backbone against baseline' in out and 'clutter gain' in out
    assert out.endswith(f'Open: {(folder / "runs/report.html").as_uri()}\n')
    assert out.startswith('Generates 150 scenes')
    result = SweepResult.read(tmp_path / 'verdict.json')
    assert result == SweepResult.read(folder / 'runs/verdict.json')
    assert list(result.plan.arms) == ['baseline', 'control', 'cbam-backbone', 'placebo']
    assert result.dose.doses == (0, 1, 2, 3, 4) and result.failed == ()
    assert result.comparison.settings.paired
    assert {run.health.verdict for run in result.finished['cbam-backbone']} == {'trained'}
    assert all(len(arm.runs) == 3 for arm in result.comparison.arms.values())

    runs = [path for path in folder.rglob('*') if path.is_file() and path.parent.name != 'runs']
    before = {path: path.stat().st_mtime_ns for path in runs}
    assert main(argv) == 0
    assert 'cbam-backbone against baseline' in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in runs} == before
    assert SweepResult.read(tmp_path / 'verdict.json') == result


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--epochs', '0'], 'epochs must be at least 1'),
        (['--images', '0'], 'images must be at least 2'),
        (['--images', 'all'], 'invalid int'),
        (['--jobs', '0'], '--jobs: must be at least 1'),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_written(tmp_path, capsys, argv, message):
    assert main(['--work-dir', str(tmp_path / 'out'), *argv]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not any(tmp_path.iterdir())


def test_the_folder_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / 'thesis.tex').write_text('')
    assert main(['--work-dir', str(tmp_path)]) == 2
    assert 'holds other files' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_a_demo_with_other_parameters_is_not_mixed_with_this_one(tmp_path, capsys):
    (tmp_path / 'demo.json').write_text(json.dumps({'images': 24, 'epochs': None, 'full': False}))
    assert main(['--work-dir', str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert 'images 24 instead of 2400' in error and error.count('\n') == 1
