"""``spatialattn audit``: the table, the JSON, and the mistakes."""

import json

import pytest

from mmdet_spatialattn.cli.audit import main

CONFIG = 'configs/clutter_digits/retinanet_r18-narrow_fpn-cbam_4e_clutter-digits.py'


def test_it_prints_the_table_and_writes_it(repository, tmp_path, capsys):
    out = tmp_path / 'audit.json'
    assert main([str(repository / CONFIG), '--size', '160', '160', '--json', str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith('path')
    assert 'for an input of 160x160 pixels' in printed
    rows = json.loads(out.read_text())['modules']
    assert [(row['path'], row['map']) for row in rows] == [
        ('neck.output0_spatialattn', [20, 20]),
        ('neck.output1_spatialattn', [10, 10]),
        ('neck.output2_spatialattn', [5, 5]),
    ]


def test_a_config_that_does_not_resize_is_told(repository, capsys):
    assert main([str(repository / CONFIG)]) == 0
    out = capsys.readouterr().out
    assert 'the config does not resize its images; give their size with --size' in out


def test_a_detector_without_attention_says_so(capsys):
    assert main(['mmdet::retinanet/retinanet_r18_fpn_1x_coco.py']) == 0
    out = capsys.readouterr().out
    assert out.startswith('no attention modules\n') and 'Next: spatialattn list' in out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['absent.py'], 'config absent.py does not exist'),
        ([CONFIG, '--size', '0', '10'], '--size: height and width must be positive'),
        (
            [CONFIG, '--cfg-options', 'model.neck.attention.0.position=outptu'],
            "no position 'outptu' in a FPN; did you mean 'output'",
        ),
        (
            [CONFIG, '--cfg-options', 'model.neck.of=FPNN'],
            "no module is registered as of='FPNN'; did you mean 'FPN'",
        ),
    ],
)
def test_a_mistake_is_one_line(repository, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(repository)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert message in error
