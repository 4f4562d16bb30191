"""Files are whole or absent; unreadable JSON is one clear error."""

import subprocess
import sys

import pytest

from mmdet_spatialattn.errors import MissingFile, UserError, did_you_mean
from mmdet_spatialattn.io import atomic_folder, atomic_path, read_json, write_bytes, write_json


def test_json_comes_back_as_it_was_written(tmp_path):
    data = {'b': [1, 2.5, None], 'a': 'ü'}
    write_json(tmp_path / 'new' / 'data.json', data)
    assert read_json(tmp_path / 'new' / 'data.json') == data


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_json(tmp_path / 'data.json', 'old')
    with pytest.raises(RuntimeError), atomic_path(tmp_path / 'data.json') as temporary:
        temporary.write_text('half')
        raise RuntimeError
    assert read_json(tmp_path / 'data.json') == 'old'
    assert [path.name for path in tmp_path.iterdir()] == ['data.json']


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with atomic_folder(tmp_path / 'a' / 'out') as folder:
        (folder / 'file').write_text('x')
        assert not (tmp_path / 'a' / 'out').exists()
    assert [path.name for path in (tmp_path / 'a').rglob('*')] == ['out', 'file']


def test_a_failed_folder_leaves_nothing_and_the_next_one_succeeds(tmp_path):
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / 'out'):
        raise RuntimeError
    assert not any(tmp_path.iterdir())
    (tmp_path / '.out.partial').mkdir()  # what a killed run leaves
    (tmp_path / '.out.partial' / 'old').write_text('')
    with atomic_folder(tmp_path / 'out') as folder:
        assert not any(folder.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ['out']


def test_an_error_in_the_block_keeps_its_type_and_its_message(tmp_path):
    with pytest.raises(MissingFile, match=r'^no image$'), atomic_folder(tmp_path / 'out'):
        raise MissingFile('no image')


def test_a_file_that_cannot_be_written_is_a_user_error(tmp_path):
    write_bytes(tmp_path / 'new' / 'file', b'x')
    assert (tmp_path / 'new' / 'file').read_bytes() == b'x'
    with pytest.raises(UserError, match='cannot write .*file/below: '):
        write_bytes(tmp_path / 'new' / 'file' / 'below', b'x')


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine').write_text('')
    with pytest.raises(UserError, match='cannot write'), atomic_folder(tmp_path / 'out'):
        pass
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine']
    assert [path.name for path in tmp_path.iterdir()] == ['out']


def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    write_json(tmp_path / 'data.json', 1)
    (tmp_path / 'ordinary').write_text('')
    assert (tmp_path / 'data.json').stat().st_mode == (tmp_path / 'ordinary').stat().st_mode


def test_a_folder_that_cannot_be_made_is_a_user_error(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='cannot write'):
        write_json(tmp_path / 'file' / 'data.json', 1)


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'{"a": 1', 'line 1'), (b'\xff\x00', 'UTF-8'), (b'[' * 100_000, 'not JSON')],
    ids=['truncated', 'binary', 'nested too deep'],
)
def test_what_is_not_json_is_named_with_its_place(tmp_path, content, message):
    path = tmp_path / 'data.json'
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_json(path)
    assert str(path) in str(error.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(MissingFile, match='cannot read .*absent'):
        read_json(tmp_path / 'absent.json')


def test_the_nearest_name_ignores_case_and_unrelated_names_get_none():
    assert did_you_mean('cbam', ['SE', 'CBAM']) == "; did you mean 'CBAM'?"
    assert did_you_mean('zebra', ['SE', 'CBAM']) == ''


def test_a_lock_is_held_by_one_process_at_a_time(tmp_path):
    code = (
        'import sys, time, pathlib; from mmdet_spatialattn.io import locked\n'
        "with locked(pathlib.Path(sys.argv[1]), lambda: print('waiting', flush=True)):\n"
        "    print('in', flush=True); sys.stdin.readline()"
    )

    def hold():
        return subprocess.Popen(
            [sys.executable, '-c', code, str(tmp_path / 'new' / '.lock')],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    with hold() as first:
        assert first.stdout.readline() == 'in\n'
        with hold() as second:
            assert second.stdout.readline() == 'waiting\n'
            first.kill()  # the system frees it
            assert second.stdout.readline() == 'in\n'
            second.communicate('\n')
    assert second.returncode == 0
