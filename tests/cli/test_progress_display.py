"""The view of a sweep: what it says in a log, and which bars it has in a terminal."""

import io
import itertools

from rich.console import Console

from mmdet_spatialattn.cli._progress_display import ProgressDisplay, RunBars
from mmdet_spatialattn.experiments.launch import RunStatus
from mmdet_spatialattn.results import Run

A, B = (Run(name, 0) for name in 'ab')


def test_a_log_gets_a_line_per_event_and_a_count_at_each_end(capsys, monkeypatch):
    seconds = itertools.count(0, 60)
    monkeypatch.setattr('time.monotonic', lambda: next(seconds))
    with ProgressDisplay().runs() as show:
        show([RunStatus(A, 'training'), RunStatus(B, 'waiting')])
        show([RunStatus(A, 'training', 0.1, 1, 0.5), RunStatus(B, 'waiting')])
        show([RunStatus(A, 'training', 0.2, 1, 0.4), RunStatus(B, 'waiting')])
        show([RunStatus(A, 'finished', 1), RunStatus(B, 'training')])
        show([RunStatus(A, 'finished', 1), RunStatus(B, 'failed', error='first\n[last] line')])
    assert capsys.readouterr().err.splitlines() == [
        'a/seed_0: training',
        'a/seed_0: training, epoch 1, loss 0.500',
        'a/seed_0: finished (1 of 2 finished, about 3 min left)',
        'b/seed_0: training (about 3 min left)',
        'b/seed_0: failed (1 of 2 finished, 1 failed)',
        'b/seed_0 failed; its log ends with',
        '    first',
        '    [last] line',
    ]


def test_a_terminal_has_one_bar_for_all_and_one_for_each_run_at_work(monkeypatch):
    monkeypatch.setattr(
        'mmdet_spatialattn.cli._progress_display.Console',
        lambda stderr: Console(file=io.StringIO(), force_terminal=True),
    )
    display = RunBars()
    with display.progress:
        display.show([RunStatus(A, 'training', 0.5, 2, 0.25), RunStatus(B, 'waiting')])
        bars = {task.description: task for task in display.progress.tasks}
        assert list(bars) == ['all runs', 'a/seed_0']
        assert bars['all runs'].completed == 0.5 and bars['all runs'].total == 2
        assert bars['all runs'].fields['label'] == '0 of 2 finished'
        assert bars['a/seed_0'].fields['label'] == 'training, epoch 2, loss 0.250'
        display.show([RunStatus(A, 'finished', 1), RunStatus(B, 'testing', 0.95)])
        bars = {task.description: task for task in display.progress.tasks}
        assert list(bars) == ['all runs', 'b/seed_0']
        assert bars['all runs'].completed == 1.95
        assert 'left' in bars['all runs'].fields['left']
