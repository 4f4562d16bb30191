"""``spatialattn clutter``: what it prints and writes, and the mistakes it names."""

import json

import pytest

from mmdet_spatialattn.cli.clutter import main
from mmdet_spatialattn.clutter import ClutterTable
from tests.evaluation.samples import small_set, write_images


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(small_set()))
    return path


def test_everything_is_printed_and_written(annotations, tmp_path, capsys):
    images = write_images(tmp_path / 'images')
    out = {name: tmp_path / 'new' / f'{name}.json' for name in ('out', 'json', 'html')}
    options = [f'--{name}={path}' for name, path in out.items()]
    assert main([str(annotations), f'--images={images}', *options]) == 0
    printed = capsys.readouterr().out
    for expected in ('2 objects in 2 images', 'feature_congestion', 'Spearman', 'touching'):
        assert expected in printed
    assert ClutterTable.read(out['out'], annotations).objects['cover'][0] == 0.5
    data = json.loads(out['json'].read_text())
    assert data['strata'][2]['objects'] == 2 and not data['strata'][2]['enough']
    assert out['html'].read_text().startswith('<!DOCTYPE html>')
    assert sorted(path.name for path in (tmp_path / 'new').iterdir()) == [
        'html.json', 'json.json', 'out.json'
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'the following arguments are required: ANN.json'),
        (['absent.json'], 'cannot read absent.json: No such file'),
        (['{ann}', '--images', 'nowhere'], '2 of the 2 images of'),
        (['{ann}', '--out', '/proc/x/side.json'], 'cannot write /proc/x/side.json'),
        (['{ann}', '--imags', 'x'], "unknown argument '--imags'; did you mean '--images'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(annotations, capsys, arguments, message):
    assert main([argument.format(ann=annotations) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith('spatialattn clutter: error: ') and error.count('\n') == 1
    assert message in error


def test_a_broken_image_leaves_nothing_written(annotations, tmp_path, capsys):
    images = write_images(tmp_path / 'images')
    (images / 'a.png').write_bytes(b'broken')
    options = [f'--out={tmp_path / "o.json"}', f'--html={tmp_path / "p.html"}']
    assert main([str(annotations), f'--images={images}', *options]) == 2
    assert 'a.png is damaged, or not an image' in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['ann.json', 'images']
