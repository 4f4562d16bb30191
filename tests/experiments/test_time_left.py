"""The time that is left is told early, and rightly."""

import pytest

from mmdet_spatialattn.experiments.launch import RunStatus
from mmdet_spatialattn.experiments.time_left import TimeLeft
from mmdet_spatialattn.results import Run

STARTUP, STEPS, PACES = 20.0, 400, {'plain': 0.25, 'cbam': 0.3, 'wide': 0.35}
TESTING = 0.1  # of the steps' time, where the share of a run supposes a twentieth


def status_at(run, seconds):
    """The status of a run ``seconds`` after its start: logged every ten steps, as in launch."""
    if seconds < 0:
        return RunStatus(run, 'waiting')
    step = int((seconds - STARTUP) / PACES[run.arm])
    if seconds >= length(run):
        return RunStatus(run, 'finished', 1.0)
    if step >= STEPS:
        return RunStatus(run, 'testing', 0.95)
    return RunStatus(run, 'training', 0.95 * max(step, 0) // 10 * 10 / STEPS)


def length(run):
    return STARTUP + PACES[run.arm] * STEPS * (1 + TESTING)


@pytest.mark.parametrize('jobs', [1, 2, 4])
def test_a_tenth_of_the_work_tells_the_rest_within_a_fifth(jobs):
    runs = [Run(arm, seed) for seed in range(4) for arm in PACES]
    starts, slots = {}, [0.0] * jobs
    for run in runs:
        slots.sort()
        starts[run.name] = slots[0]
        slots[0] += length(run)
    end, left, now, first = max(slots), TimeLeft(), 0.0, None
    while now < end - 1:
        told = left.update([status_at(run, now - starts[run.name]) for run in runs], now)
        if told is not None:
            first = now if first is None else first
            if now > end / 10:
                assert told == pytest.approx(end - now, rel=0.2, abs=15), now
        now += 0.5
    assert first < STARTUP + 30 * PACES['plain']  # two lines of the log
    assert left.update([RunStatus(run, 'finished', 1.0) for run in runs], end) == 0


def test_a_resumed_run_does_not_shorten_the_others():
    left, (a, b) = TimeLeft(), (Run('plain', seed) for seed in (0, 1))
    left.update([RunStatus(a, 'training'), RunStatus(b, 'waiting')], 0)
    left.update([RunStatus(a, 'training', 0.5), RunStatus(b, 'waiting')], 10)
    told = left.update([RunStatus(a, 'training', 0.6), RunStatus(b, 'waiting')], 20)
    assert told == pytest.approx(40 + 100)  # ten seconds for a tenth


def test_nothing_is_told_before_steps_are_logged():
    left, run = TimeLeft(), Run('plain', 0)
    assert left.update([RunStatus(run, 'waiting')], 0) is None
    assert left.update([RunStatus(run, 'training')], 5) is None
    assert left.update([RunStatus(run, 'training', 0.1)], 9) is None
