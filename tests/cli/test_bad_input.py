"""A user's mistake is one line: what, where and what to do; exit code 2 and nothing written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmdet_spatialattn.cli import main
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments import checks

ATTENTION = dict(cfg=dict(type='CBAM'), stages=(False, True, False, False), position='after_conv3')


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; return its one line."""

    def refused(*argv: object) -> str:
        folder = tmp_path / 'empty'
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        code = main([str(argument) for argument in argv])
        out, err = capsys.readouterr()
        assert code == 2, out
        assert out == '' and err.count('\n') == 1, out + err
        assert list(folder.iterdir()) == [], 'something was written'
        command, _, line = err.rstrip('\n').partition(': error: ')
        assert command == f'spatialattn {argv[0]}', err
        return line

    return refused


@pytest.fixture
def changed(tiny, tmp_path):
    """Write a config that inherits from the tiny one and adds lines; return its path."""

    def changed(lines: str, name: str = 'changed.py') -> Path:
        path = tmp_path / name
        base = '' if '_base_' in lines else f'_base_ = {str(tiny.config)!r}'
        path.write_text(f'{base}\n{lines}\n')
        return path

    return changed


@pytest.fixture
def annotated(tiny, tmp_path):
    """Write annotations that differ from the tiny ones; return the options that use them."""

    def annotated(content: object) -> list[str]:
        path = tmp_path / 'other.json'
        if not isinstance(content, str):
            content = json.dumps(
                {**json.loads((tiny.root / 'instances.json').read_text()), **content}
            )
        path.write_text(content)
        return ['--cfg-options', f'train_dataloader.dataset.ann_file={path}']

    return annotated


def weights_of(config: Path) -> dict:
    return checks.build_checked_model(Config.fromfile(config)).state_dict()


def test_a_config_that_is_missing(refused):
    assert refused('train', 'nope.py') == 'config nope.py does not exist'


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        ('model = dict(\n', 'syntax error in line 2: .* was never closed'),
        ('lr = 2 * base_lr', "changed.py, line 2: NameError: name 'base_lr' is not defined"),
        ("_base_ = ['gone.py']", 'No such file or directory: .*gone.py'),
        ("custom_imports = dict(imports=['gone'])", "custom_imports: No module named 'gone'"),
        ('optim_wrapper = None', "has no 'optim_wrapper'; inherit from a config"),
    ],
)
def test_a_config_that_is_wrong(refused, changed, lines, message):
    assert re.search(f'changed.py:? .*{message}', refused('train', changed(lines)))


def test_a_file_that_is_no_config(refused, tmp_path):
    (tmp_path / 'a.txt').write_text('hello')
    assert 'py/yml/yaml/json' in refused('test', tmp_path / 'a.txt', 'x.pth')


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('lr', "expected KEY=VALUE, got 'lr'"),
        ('trian_cfg.max_epochs=1', "the config has no 'trian_cfg'; did you mean 'train_cfg'?"),
        ('train_cfg.max_epochs=one', "expected a number, got 'one'"),
        ('model.backbone.norm_eval=Yes', "expected True or False, got 'Yes'"),
        ('train_cfg.max_epochs.x=1', "'train_cfg.max_epochs' is 1, so there is no 'x' in it"),
        ('model.backbone.plugins.7.position=a', 'is a list of 1, so a number from 0 to 0 must'),
        ('model.backbone.out_indices=(1,2', 'brackets do not match'),
        ('model.backbone.init_cfg.type=Pretrained', 'init_cfg'),
    ],
)
def test_an_option_that_does_not_fit(refused, tiny, option, message):
    assert message in refused('train', tiny.config, '--cfg-options', option)


def test_options_may_be_given_twice(refused, tiny):
    """Both are used: the second is wrong only after the first."""
    options = ['--cfg-options', 'train_cfg.max_epochs=one', '--cfg-options', 'data_root=elsewhere']
    assert "expected a number, got 'one'" in refused('train', tiny.config, *options)
    assert 'elsewhere' in refused('train', tiny.config, *options[2:])


def test_a_work_dir_that_cannot_be_made(refused, tiny, tmp_path):
    (tmp_path / 'file').touch()
    line = refused('train', tiny.config, '--work-dir', tmp_path / 'file' / 'x')
    assert f'{tmp_path}/file: a file stands there; give a folder elsewhere' in line


def test_pretrained_weights_that_do_not_exist(refused, tiny, changed):
    part = "model = dict(backbone=dict(init_cfg=dict(type='Pretrained'%s)))"
    line = refused('train', changed(part % ", checkpoint='/nonexistent/r.pth'"))
    assert 'init_cfg.checkpoint: /nonexistent/r.pth does not exist; give another with' in line
    line = refused('train', changed(part % ''))
    assert "model.backbone.init_cfg: {'type': 'Pretrained'} is no initialiser" in line
    changed('model = dict(backbone=dict(init_cfg=None))', 'none.py')
    line = refused('train', changed(f"_base_ = 'none.py'\n{part % ''}"))
    assert 'cannot inherit from base because init_cfg is a dict' in line


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--resumee'], "unknown argument '--resumee'; did you mean '--resume'?"),
        (['--launcher', 'torchrun'], "invalid choice: 'torchrun'"),
        (['--launcher', 'pytorch'], 'RANK, WORLD_SIZE, MASTER_ADDR not set in the environment'),
        (['--auto-scale-lr'], 'the config does not set auto_scale_lr.base_batch_size'),
    ],
)
def test_a_flag_that_does_not_fit(refused, tiny, argv, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv('LOCAL_RANK', '0')
    assert message in refused('train', tiny.config, *argv)


def test_mixed_precision_without_a_gpu(refused, tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert 'needs a CUDA device' in refused('train', tiny.config, '--amp')


def test_an_unknown_command(capsys):
    assert main(['trian']) == 2
    err = capsys.readouterr().err
    assert err.startswith("spatialattn: unknown command 'trian'; did you mean 'train'?")
    assert err.count('\n') == 1


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (
            'plugins.0.cfg.type=mmdet_spatialattn.CBMA',
            "model.backbone.plugins.0.cfg: unknown attention 'mmdet_spatialattn.CBMA'; did you "
            "mean 'CBAM'?",
        ),
        (
            'plugins.0.position=after_conv4',
            "model.backbone.plugins.0: unknown position 'after_conv4'; did you mean 'after_conv",
        ),
        ('plugins.0.stages=(True,False)', 'for each of 4 stages, got'),
        ('depth=18', "takes no plugins, .*WithAttention', of='ResNet'"),
        ('type=ResNett', "no module is registered as 'ResNett'; did you mean 'ResNet'"),
    ],
)
def test_a_native_plugin_that_is_wrong(refused, tiny, option, message):
    line = refused('train', tiny.config, '--cfg-options', f'model.backbone.{option}')
    assert re.search(re.escape(message) if 'WithAttention' not in message else message, line), line


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            dict(cfg=dict(type='CBMA')),
            "attention[0]: unknown attention 'CBMA'; did you mean 'CBAM'",
        ),
        (dict(position='after_conv9'), "'after_conv9'"),
        (dict(stages=(True,)), 'stages must be'),
    ],
)
def test_attention_by_with_attention_that_is_wrong(refused, changed, change, message):
    entry = {**ATTENTION, **change}
    host = dict(type='mmdet_spatialattn.WithAttention', of='ResNet', attention=[entry])
    path = changed(f'model = dict(backbone=dict(plugins=None, **{host!r}))')
    line = refused('train', path)
    assert message in line and not line.startswith('class '), line


def test_a_data_root_that_does_not_exist(refused, tiny):
    line = refused('train', tiny.config, '--cfg-options', 'data_root=/nowhere')
    assert line == (
        'train_dataloader.dataset: data root /nowhere does not exist; put the data there, or give '
        'its path with --cfg-options data_root=DIR'
    )
    option = 'test_dataloader.dataset.data_root=/nowhere'
    line = refused('test', tiny.config, 'x.pth', '--cfg-options', option)
    assert line.endswith('--cfg-options test_dataloader.dataset.data_root=DIR')


def test_workers_that_persist_though_there_are_none(refused, tiny):
    option = 'train_dataloader.persistent_workers=True'
    line = refused('train', tiny.config, '--cfg-options', option)
    assert line.endswith('--cfg-options train_dataloader.persistent_workers=False')


def test_an_annotation_file_that_does_not_exist(refused, tiny):
    option = 'train_dataloader.dataset.ann_file=gone.json'
    line = refused('train', tiny.config, '--cfg-options', option)
    assert f'annotation file {tiny.root}/gone.json does not exist' in line
    option = 'val_evaluator.ann_file=/nowhere/gone.json'
    line = refused('train', tiny.config, '--cfg-options', option)
    assert line.startswith('val_evaluator: annotation file /nowhere/gone.json does not exist')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('<xml/>', r'other\.json is not JSON: .*line 1 column 1'),
        ('{"images": [{"id": 1', r'other\.json is not JSON: .*line 1 column \d+'),
        ('', r'other\.json is not JSON'),
        ('[]', r'other\.json is not a COCO annotation file: expected an object .* got a list'),
        (dict(images=None), r"no list 'images'"),
        (dict(annotations=[3]), r"'annotations' must hold objects"),
        (
            dict(categories=[dict(id=1, name='squares'), dict(id=2, name='disc')]),
            r"class 'square' is not among the categories of \S+other\.json; did you mean 'squares'",
        ),
        (
            dict(images=[dict(id=0, file_name='gone.png', width=64, height=64)]),
            r'image \S+/images/gone\.png, the first of \S+other\.json, does not exist',
        ),
    ],
)
def test_an_annotation_file_that_is_not_coco(refused, tiny, annotated, content, message):
    line = refused('train', tiny.config, *annotated(content))
    assert re.search(message, line), line


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"images": [{"id": 1', 'it is truncated or not an object'),
        ('{"images": [], "annotation": [], "categories": []}', "no list 'annotations'"),
    ],
)
def test_a_large_annotation_file_is_judged_by_its_ends(
    refused, tiny, annotated, content, message, monkeypatch
):
    monkeypatch.setattr(checks, 'READ_WHOLE', 8)
    assert message in refused('train', tiny.config, *annotated(content))


def test_a_checkpoint_of_another_model(refused, tiny, changed, tmp_path):
    other = changed('model = dict(backbone=dict(plugins=None), neck=dict(out_channels=16), '
                    'bbox_head=dict(in_channels=16))')  # fmt: skip
    torch.save(dict(meta={}, state_dict=weights_of(other)), tmp_path / 'other.pth')
    line = refused('test', tiny.config, tmp_path / 'other.pth')
    expected = (
        r'other\.pth is a checkpoint of another model: (\d+) of (\d+) weights fit; '
        r'(\d+) missing \((backbone\.\S+), (backbone\.\S+), \.\.\.\); '
        r'(\d+) of another shape \((\S+), (\S+), \.\.\.\); give the config it was trained with'
    )
    expected_line = re.search(expected, line)
    assert expected_line, line
    fitting, total, missing, reshaped = (int(expected_line.group(i)) for i in (1, 2, 3, 6))
    own = {n: w for n, w in weights_of(tiny.config).items() if 'num_batches' not in n}
    theirs = weights_of(other)
    assert total == len(own)
    assert missing == len(set(own) - set(theirs))
    assert reshaped == sum(n in theirs and w.shape != theirs[n].shape for n, w in own.items())
    assert fitting == total - missing - reshaped


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        ([1], "its 'state_dict' is a list, not a dictionary of weights"),
        (dict(w=[0.5]), "'w' is a list, not a tensor"),
        (dict(w=np.ones(2)), "'w' is a ndarray, not a tensor"),
    ],
)
def test_a_checkpoint_without_weights(refused, tiny, tmp_path, weights, message):
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    assert message in refused('test', tiny.config, tmp_path / 'a.pth')


def test_averaged_copies_of_mmdetection_2_are_left_out(tiny, tmp_path):
    model = checks.build_checked_model(Config.fromfile(tiny.config))
    weights = model.state_dict()
    copies = {f'ema_{name.replace(".", "_")}': value for name, value in weights.items()}
    torch.save(dict(state_dict={**weights, **copies}), tmp_path / 'a.pth')
    checks.check_checkpoint(model, str(tmp_path / 'a.pth'), 'test')
    torch.save(dict(state_dict={**weights, 'ema_other': torch.ones(1)}), tmp_path / 'b.pth')
    with pytest.raises(UserError, match=r'1 unexpected \(ema_other\)'):
        checks.check_checkpoint(model, str(tmp_path / 'b.pth'), 'test')


def test_a_checkpoint_with_attention_that_the_config_does_not_have(
    refused, tiny, changed, tmp_path
):
    torch.save(dict(state_dict=weights_of(tiny.config)), tmp_path / 'a.pth')
    plain = changed('model = dict(backbone=dict(plugins=None))')
    line = refused('test', plain, tmp_path / 'a.pth')
    assert re.search(r'\d+ unexpected \(backbone\.layer2\.0\.', line), line


def test_a_checkpoint_that_lacks_only_the_attention_of_the_config(refused, tiny, changed, tmp_path):
    torch.save(dict(meta={}, state_dict=weights_of(tiny.config)), tmp_path / 'plain.pth')
    with_attention = changed(
        "model = dict(neck=dict(type='mmdet_spatialattn.WithAttention', of='FPN', attention=["
        "dict(cfg=dict(type='SE', reduction=4), position='output')]))"
    )
    line = refused('test', with_attention, tmp_path / 'plain.pth')
    assert re.search(r'\d+ missing \(neck\.output0_spatialattn\.', line), line
    model = checks.build_checked_model(Config.fromfile(with_attention))
    checks.check_checkpoint(model, str(tmp_path / 'plain.pth'), 'start')


def test_fine_tuning_accepts_what_a_new_head_and_attention_need(refused, tiny, changed, tmp_path):
    start = changed('model = dict(backbone=dict(plugins=None), bbox_head=dict(num_classes=7))')
    torch.save(weights_of(start), tmp_path / 'start.pth')
    model = checks.build_checked_model(Config.fromfile(tiny.config))
    checks.check_checkpoint(model, str(tmp_path / 'start.pth'), 'start')
    torch.save({f'other.{name}': w for name, w in weights_of(start).items()}, tmp_path / 'b.pth')
    option = f'load_from={tmp_path / "b.pth"}'
    assert 'of another model' in refused('train', tiny.config, '--cfg-options', option)


def test_a_checkpoint_that_needs_unsafe_types(refused, tiny, tmp_path):
    marker = tmp_path / 'marker'
    path = tmp_path / 'a.pth'

    class Command:
        def __reduce__(self):
            return exec, (f'open({str(marker)!r}, "w")',)

    torch.save(dict(state_dict={}, meta=dict(x=Command(), folder=Path('x'))), path)
    for argv in (
        ['test', tiny.config, path],
        ['train', tiny.config, '--resume', path],
        ['train', tiny.config, '--cfg-options', f'load_from={path}'],
    ):
        line = refused(*argv)
        assert re.search(r'a\.pth needs types .*: builtins\.exec, pathlib\S*; nothing in it', line)
    assert not marker.exists()


def test_a_checkpoint_that_is_missing_or_cut(refused, tiny, tmp_path):
    assert refused('test', tiny.config, 'gone.pth').startswith(
        'cannot read the checkpoint gone.pth'
    )
    path = tmp_path / 'cut.pth'
    torch.save(dict(state_dict=weights_of(tiny.config)), path)
    path.write_bytes(path.read_bytes()[:-100])
    assert 'cut.pth is damaged or not a checkpoint' in refused('test', tiny.config, path)


def test_resume_with_nothing_to_resume(refused, tiny, tmp_path):
    work_dir = tmp_path / 'work'
    line = refused('train', tiny.config, '--resume', '--work-dir', work_dir)
    assert line.startswith(f'--resume: there is no checkpoint in {work_dir} to go on from; leave')
    work_dir.mkdir()
    (work_dir / 'last_checkpoint').write_text('/gone/epoch_3.pth')
    (work_dir / 'epoch_1.pth').write_bytes(b'half')
    line = refused('train', tiny.config, '--resume', '--work-dir', work_dir)
    assert 'epoch_1.pth is damaged' in line and 'there is no checkpoint' in line
    torch.save(dict(meta={}, state_dict=weights_of(tiny.config)), tmp_path / 'weights.pth')
    line = refused('train', tiny.config, '--resume', tmp_path / 'weights.pth')
    assert 'weights.pth holds weights but not the state of a training' in line


def test_predictions_into_a_file_of_another_kind(refused, tiny):
    assert '--out p.json: the name must end with .pkl' in refused(
        'test', tiny.config, 'x.pth', '--out', 'p.json'
    )
    assert '--out-json p.pkl: the name must end with .json' in refused(
        'test', tiny.config, 'x.pth', '--out-json', 'p.pkl'
    )


def test_a_genuine_bug_keeps_its_traceback(tiny, changed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'buggy_module.py').write_text('def f():\n    return {}["x"]\n\nf()\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyError, match='x'):
        main(['train', str(changed("custom_imports = dict(imports=['buggy_module'])"))])
