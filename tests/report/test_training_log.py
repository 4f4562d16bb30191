"""The loss of a training is read from the logs of a run."""

import json

import pytest

from mmdet_spatialattn.report.training_log import MOST_POINTS, read_losses


def write_log(folder, name, losses, end=''):
    path = folder / name / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    lines = [json.dumps({'loss': loss, 'step': step, 'lr': 0.1}) for step, loss in losses]
    path.write_text('\n'.join(lines) + end, encoding='utf-8')


def test_a_resumed_training_is_one_curve_and_the_later_log_counts(tmp_path):
    write_log(tmp_path, '20260101_000000', [(10, 3.0), (20, 2.0), (30, 9.0)], end='\n{"loss": 1')
    write_log(tmp_path, '20260102_000000', [(30, 1.0), (40, 0.5)])
    assert read_losses(tmp_path) == [(10, 3.0), (20, 2.0), (30, 1.0), (40, 0.5)]


def test_other_lines_and_undefined_losses_are_skipped(tmp_path):
    write_log(tmp_path, 'a', [(1, float('nan'))], end='\n{"bbox_mAP": 0.3, "step": 1}\n[]\n')
    assert read_losses(tmp_path) == [] == read_losses(tmp_path / 'absent')


def test_a_long_curve_is_averaged(tmp_path):
    write_log(tmp_path, 'a', [(step, float(step % 2)) for step in range(1, 10 * MOST_POINTS + 1)])
    curve = read_losses(tmp_path)
    assert len(curve) == MOST_POINTS
    assert [loss for _, loss in curve] == pytest.approx([0.5] * MOST_POINTS)
    assert curve[0][0] == pytest.approx(5.5)
