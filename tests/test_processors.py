import os

import pytest

from mmdet_spatialattn.processors import count_processors, in_parallel

AFFINITY = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        ('max 100000', AFFINITY),
        ('100000 100000', 1),
        ('50000 100000', 1),
        ('100000000 100000', AFFINITY),
        ('broken', AFFINITY),
    ],
)
def test_a_quota_of_control_groups_2_limits_the_count(tmp_path, content, expected):
    (tmp_path / 'cpu.max').write_text(content)
    assert count_processors(tmp_path) == expected


@pytest.mark.parametrize(('quota', 'expected'), [('-1', AFFINITY), ('50000', 1)])
def test_a_quota_of_control_groups_1_limits_the_count(tmp_path, quota, expected):
    (tmp_path / 'cpu').mkdir()
    (tmp_path / 'cpu' / 'cpu.cfs_quota_us').write_text(quota)
    (tmp_path / 'cpu' / 'cpu.cfs_period_us').write_text('100000')
    assert count_processors(tmp_path) == expected


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert count_processors(tmp_path) == AFFINITY


def test_results_keep_the_order_of_the_work():
    assert in_parallel(lambda i: i * i, 50) == [i * i for i in range(50)]


def test_an_error_ends_the_whole():
    started = []

    def work(i):
        started.append(i)
        raise ValueError(f'step {i}')

    with pytest.raises(ValueError, match='step 0'):
        in_parallel(work, 10_000)
    assert len(started) < 10_000
