"""``import mmdet_spatialattn as sa`` offers what the documentation names: lazily, and typed."""

import inspect
import runpy
import subprocess
import sys

import pytest

import mmdet_spatialattn as sa
from tests.processes import run

FUNCTIONS = (
    'build_attention',
    'capture_maps',
    'clutter_measures',
    'compare',
    'dose_response',
    'evaluate',
    'insert_attention',
    'list_attention',
    'load_plan',
    'remove_attention',
    'run_sweep',
    'try_attention',
)
NAMES = {*FUNCTIONS, 'SpatialAttention', 'UserError', 'WithAttention', '__version__'}


def test_it_offers_these_names_and_lists_them():
    assert set(sa.__all__) == NAMES and set(dir(sa)) >= NAMES
    for name in NAMES:
        assert getattr(sa, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'compair'"):
        sa.compair  # noqa: B018


def test_it_loads_nothing_that_is_not_used(tmp_path):
    heavy = ('torch', 'numba', 'mmengine', 'mmcv', 'mmdet', 'plotly', 'pandas')
    code = (
        'import sys, mmdet_spatialattn as sa\n'
        f'loaded = {{name.partition(".")[0] for name in sys.modules}} & set({heavy})\n'
        'assert not loaded, loaded\n'
        'sa.compare\n'
        'assert "numba" in sys.modules and "mmdet" not in sys.modules\n'
    )
    done = run('-c', code, cwd=tmp_path)
    assert done.code == 0, done.err


@pytest.mark.parametrize('name', FUNCTIONS)
def test_options_are_keyword_only_after_the_second_argument(name):
    parameters = list(inspect.signature(getattr(sa, name)).parameters.values())
    kinds = {parameter.name: parameter.kind for parameter in parameters[2:]}
    assert set(kinds.values()) <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


PROGRAM = """
import mmdet_spatialattn as sa

reveal_type(sa.run_sweep(sa.load_plan('plan.py'), 'out'))
reveal_type(sa.evaluate('val.json', 'detections.json'))
reveal_type(sa.compare('val.json', {'a': ['a.json'], 'b': ['b.json']}))
reveal_type(sa.build_attention('CBAM', 64))
reveal_type(sa.UserError('no'))
sa.compair
sa.run_sweep('plan.py', 'out')
sa.load_plan('plan.py', 1)
"""


def test_mypy_sees_its_types_in_a_users_program(tmp_path, repository):
    path = tmp_path / 'program.py'
    path.write_text(PROGRAM)
    command = [sys.executable, '-m', 'mypy', '--no-color-output', '--hide-error-context', str(path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=600)
    lines = [line.partition('program.py:')[2] for line in done.stdout.splitlines()]
    for expected in (
        '4: note: Revealed type is "mmdet_spatialattn.results.sweep.SweepResult"',
        '5: note: Revealed type is "mmdet_spatialattn.results.evaluation.Evaluation"',
        '6: note: Revealed type is "mmdet_spatialattn.results.comparison.Comparison"',
        '7: note: Revealed type is "mmdet_spatialattn.attention.base.SpatialAttention"',
        '8: note: Revealed type is "mmdet_spatialattn.errors.UserError"',
    ):
        assert expected in lines, done.stdout
    errors = [line for line in lines if ' error: ' in line]
    assert [int(line.partition(':')[0]) for line in errors] == [9, 10, 11], done.stdout
    assert 'has no attribute "compair"' in errors[0] and 'expected "Plan"' in errors[1]


def test_the_public_surface_is_the_recorded_one(repository):
    """A change of it is a decision: run ``python tools/dev/public_surface.py`` and commit it."""
    tool = runpy.run_path(str(repository / 'tools/dev/public_surface.py'))
    changes = tool['difference']()
    assert not changes, f'run python tools/dev/public_surface.py\n{changes}'


def test_a_change_of_the_surface_is_shown(repository, monkeypatch):
    tool = runpy.run_path(str(repository / 'tools/dev/public_surface.py'))

    def load_plan(path: str, strict: bool = True) -> str:
        return path

    monkeypatch.setattr(sa, 'load_plan', load_plan)
    changes = tool['difference']().splitlines()
    assert '-    load_plan(path: PathLike) -> Plan' in changes
    assert '+    load_plan(path: str, strict: bool = True) -> str' in changes
