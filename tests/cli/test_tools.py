"""``tools/``, where MMDetection users look, holds the commands and nothing more."""

import keyword
import runpy

import pytest

from mmdet_spatialattn.cli import commands
from tests.processes import run


@pytest.mark.parametrize('name', commands())
def test_a_tool_is_its_command(name, repository):
    path = repository / 'tools' / f'{name}.py'
    source = path.read_text()
    if keyword.iskeyword(name):  # such a module can only be imported by its name as text
        call = f'main([{name!r}, *sys.argv[1:]])'
        assert 'from mmdet_spatialattn.cli import main' in source
    else:
        call = 'main()'
        assert f'from mmdet_spatialattn.cli.{name} import main' in source
    assert source.rstrip().endswith(f'sys.exit({call})')
    runpy.run_path(str(path), run_name='__mp_main__')  # as a spawned process imports it: no command


def test_a_script_runs_with_the_package_imported_first(tmp_path):
    (tmp_path / 'beside.py').write_text('x = 3')
    (tmp_path / 'script.py').write_text(
        'import beside, sys\n'
        'assert __name__ == "__main__" and "mmdet_spatialattn" in sys.modules\n'
        'print(beside.x, sys.argv[1:])'
    )
    done = run('-m', 'mmdet_spatialattn', 'script.py', 'a', '--b', cwd=tmp_path)
    assert (done.code, done.out) == (0, "3 ['a', '--b']\n"), done.err
    done = run('-m', 'mmdet_spatialattn', 'gone.py', cwd=tmp_path)
    assert done.code != 0 and done.err.count('\n') == 1 and 'got gone.py' in done.err
