"""``spatialattn inject``: what it prints and writes, and the mistakes it names."""

import json

import pytest

from mmdet_spatialattn.cli.inject import main
from tests.evaluation.samples import small_set, write_images


@pytest.fixture
def given(tmp_path):
    """The arguments for a small set, and its folder."""
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(small_set()))
    images = write_images(tmp_path / 'images')
    return [str(path), f'--images={images}', f'--out={tmp_path / "out"}']


def test_a_set_is_written_and_summed_up(given, tmp_path, capsys):
    assert main([*given, '--severity=2', f'--json={tmp_path / "record.json"}']) == 0
    printed = capsys.readouterr().out
    assert 'out: 2 images; 16 of 16 distractors were placed' in printed
    assert 'at most 0.0% of an object is covered' in printed
    assert json.loads((tmp_path / 'record.json').read_text())['severity'] == 2
    written = json.loads((tmp_path / 'out/annotations.json').read_text())
    assert written == small_set()
    assert all((tmp_path / 'out/images' / row['file_name']).is_file() for row in written['images'])


def test_a_set_without_room_is_warned_of(given, tmp_path, capsys):
    data = small_set()
    data['annotations'][2]['bbox'] = [0, 0, 40, 30]
    (tmp_path / 'ann.json').write_text(json.dumps(data))
    assert main([*given, '--severity=1']) == 0
    printed = capsys.readouterr().out
    assert '4 of 8 distractors' in printed and 'Warning: the objects leave little room' in printed


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'the following arguments are required: --severity'),
        (['--severity=6'], 'severity must be one of 1, 2, 3, 4, 5, got 6'),
        (['--severity=high'], "argument --severity: invalid int value: 'high'"),
        (['--severity=1', '--max-cover=2'], 'max_cover is a share of a box'),
        (
            ['--severity=1', '--patches-ann=t.json'],
            '--patches-ann and --patches-images together',
        ),
        (['--severity=1', '--patches-ann=t.json', '--patches-images=x'], 'cannot read t.json'),
        (['--severity=1', '--out=/proc/x'], 'cannot write /proc/x'),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(given, tmp_path, capsys, arguments, message):
    assert main([*given, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith('spatialattn inject: error: ') and error.count('\n') == 1
    assert message in error
    assert not (tmp_path / 'out').exists()


def test_a_folder_that_holds_something_is_left_alone(given, tmp_path, capsys):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/mine.txt').write_text('x')
    assert main([*given, '--severity=1']) == 2
    assert 'it exists already; give a new folder' in capsys.readouterr().err
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine.txt']
