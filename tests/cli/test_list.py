"""``spatialattn list``."""

import json

import pytest

from mmdet_spatialattn.cli.list import main


def test_the_table_shows_every_module(capsys):
    from mmdet_spatialattn import list_attention

    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    assert rows['CBAM'] == ['channel+spatial', '2018', '8,564', 'x', '0.24', 'O(HW)']
    assert rows['GCT'] == ['channel', '2020', '768', 'identity', 'O(HW)']
    assert {record.name for record in list_attention()} <= set(rows)


def test_one_family_as_json(capsys, tmp_path):
    path = tmp_path / 'control.json'
    assert main(['--family', 'control', '--json', str(path)]) == 0
    (record,) = json.loads(path.read_text())
    assert record['name'] == 'CapacityControl' and record['initial_effect'] == 'identity'
    assert record['parameters']['256'] == 8704
    assert record['arguments']['like'] == {'type': 'CBAM', 'reduction': 16}


def test_one_module_in_full(capsys):
    assert main(['mmdet_spatialattn.SE']) == 0
    out = capsys.readouterr().out
    assert 'Squeeze-and-Excitation Networks, CVPR 2018' in out
    assert '8,464 at 256' in out
    assert 'reduction: ``r``' in out
    assert "dict(type='mmdet_spatialattn.SE')" in out


@pytest.mark.parametrize(
    'argv, message',
    [
        (['CBMA'], "unknown attention 'CBMA'; did you mean 'CBAM'?"),
        (['--family', 'chanel'], "unknown family 'chanel'; did you mean 'channel'?"),
        (['SE', '--family', 'channel'], 'not allowed with argument'),
    ],
)
def test_mistakes_are_one_line(argv, message, capsys):
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert message in err and err.count('\n') == 1
