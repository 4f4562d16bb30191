"""The benchmark runs, and our modules keep no more for the backward pass than their peers."""

import json
import subprocess
import sys

import pytest


def test_the_memory_kept_for_the_backward_pass_is_not_more_than_the_peers(repository, tmp_path):
    pytest.importorskip('timm')
    table = tmp_path / 'table.json'
    script = repository / 'tools/benchmarks/attention.py'
    sizes = ['--size', '1', '64', '24', '32', '--pairs', '1', '--limit', '1000']
    done = subprocess.run(
        [sys.executable, script, *sizes, '--json', table],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(table.read_text())['rows']
    assert len(rows) == 11 and max(row['kept_ratio'] for row in rows) <= 1.001
    assert len(done.stdout.splitlines()) == 12
