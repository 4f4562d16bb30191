"""``spatialattn scenes``: what it prints and refuses."""

import pytest
from PIL import Image

from mmdet_spatialattn.cli.scenes import main
from mmdet_spatialattn.io import read_json

SMALL = ['--images', '5', '--size', '64']


def test_a_set_and_its_preview_are_written_once(tmp_path, capsys):
    out, sheet = tmp_path / 'digits', tmp_path / 'sheet.png'
    argv = ['--out', str(out), *SMALL, '--levels', '0,2-3', '--preview', str(sheet)]
    assert main(argv) == 0
    assert f'{out}: 15 images written' in capsys.readouterr().out
    assert read_json(out / 'scenes.json')['levels'] == [0, 2, 3]
    with Image.open(sheet) as image:
        assert image.width > 3 * 128 and image.height > 128
        assert len(image.getcolors(1 << 24)) > 100
    assert main(argv) == 0
    assert 'exist already' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--levels', '0-9'], 'levels go from 0 to 4'),
        (['--levels', '0-10'], 'levels go from 0 to 4'),
        (['--levels', '3-1'], 'levels go from 0 to 4'),
        (['--levels', 'high'], 'levels go from 0 to 4'),
        (['--size', '20'], 'size goes from 64'),
        (['--images', '0'], 'images must be at least 2'),
        (['--images', 'many'], 'invalid int'),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, capsys, argv, message):
    assert main(['--out', str(tmp_path / 'out'), *argv]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert main(['--out', str(tmp_path / 'file' / 'out'), *SMALL]) == 2
    error = capsys.readouterr().err
    assert 'cannot write' in error and error.count('\n') == 1
