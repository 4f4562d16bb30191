"""``train`` and ``test`` do what MMDetection's own tools do, and those run our configs too."""

import os
import pickle
import re
from pathlib import Path
from typing import NamedTuple

import mmdet
import pytest
import torch

from mmdet_spatialattn.cli import main
from mmdet_spatialattn.compat.checkpoint import load_checkpoint
from mmdet_spatialattn.datasets.scenes import write_scenes
from tests.processes import run

NAME = 'retinanet_r18-narrow-cbam-c3-c5_fpn_4e_clutter-digits'
STOCK = Path(mmdet.__file__).parent / '.mim' / 'tools'
OPTIONS = [
    '--cfg-options',
    'randomness.seed=0',
    'default_hooks.logger.interval=1',
    'model.test_cfg.score_thr=0.0',
    *(
        f'{loader}_dataloader.{option}'
        for loader in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False')
    ),
]


class Job(NamedTuple):
    """What a training of one epoch, a test of its checkpoint and a second epoch left behind."""

    weights: dict
    predictions: list
    resumed: dict
    logs: list[str]


def stock(*argv: str) -> None:
    """Run one of MMDetection's own tools in a process of its own."""
    # Without a compiled mmcv: test.py imports MMDetection's models before it reads the config.
    first = ['-m', 'mmdet_spatialattn'] if argv[0] == 'test' else []
    done = run(*first, STOCK / f'{argv[0]}.py', *argv[1:], cwd=Path.cwd())
    assert done.code == 0, done.err


def ours(*argv: str) -> None:
    assert main(list(argv)) == 0


def figures(log: str) -> str:
    """The line of AP that MMEngine logs."""
    return re.findall(r'coco/bbox_mAP: .* coco/bbox_mAP_l: \S+', log)[-1]


@pytest.fixture(scope='module')
def jobs(tmp_path_factory, repository) -> dict[str, Job]:
    """The same work with MMDetection's own tools and with ours."""
    config = str(repository / 'configs' / 'clutter_digits' / f'{NAME}.py')
    work_dir = Path('work_dirs', NAME)
    jobs = {}
    before = Path.cwd()
    for tool in (stock, ours):
        os.chdir(tmp_path_factory.mktemp(tool.__name__))
        write_scenes('data/clutter_digits', 10, levels=(0,))
        tool('train', config, *OPTIONS, 'train_cfg.max_epochs=1')
        checkpoint = work_dir / 'epoch_1.pth'
        weights = load_checkpoint(checkpoint)['state_dict']
        tool('test', config, str(checkpoint), '--out', 'p.pkl', *OPTIONS)
        tool('train', config, '--resume', *OPTIONS, 'train_cfg.max_epochs=2')
        jobs[tool.__name__] = Job(
            weights,
            pickle.loads(Path('p.pkl').read_bytes()),
            load_checkpoint(work_dir / 'epoch_2.pth'),
            [path.read_text() for path in sorted(work_dir.glob('*/*.log'))],
        )
    os.chdir(before)
    return jobs


@pytest.mark.slow
@pytest.mark.parametrize('tool', ['stock', 'ours'])
def test_a_checkpoint_scores_in_a_test_what_it_scored_in_training(jobs, tool):
    trained, tested, _ = jobs[tool].logs
    assert figures(tested) == figures(trained)
    counts = [len(image['pred_instances']['scores']) for image in jobs[tool].predictions]
    assert len(counts) == 2 and all(counts)


@pytest.mark.slow
@pytest.mark.parametrize('tool', ['stock', 'ours'])
def test_a_resumed_training_goes_on_with_its_history(jobs, tool):
    log, last = jobs[tool].logs[2], jobs[tool].resumed
    assert 'resumed epoch: 1, iter: 4' in log
    assert 'Epoch(train) [1]' not in log and re.search(r'Epoch\(train\) +\[2\]', log)
    assert (last['meta']['epoch'], last['meta']['iter']) == (2, 8)
    losses, _ = last['message_hub']['log_scalars']['train/loss'].data
    assert len(losses) == 8 and len(set(losses.tolist())) == 8


@pytest.mark.slow
def test_our_commands_give_the_weights_and_predictions_of_mmdetections_own(jobs):
    theirs, own = jobs['stock'], jobs['ours']
    assert any('spatialattn' in name for name in own.weights)
    for this, other in (
        (theirs.weights, own.weights),
        (theirs.resumed['state_dict'], own.resumed['state_dict']),
    ):
        assert this.keys() == other.keys()
        assert all(torch.equal(this[name], other[name]) for name in this)
    for this, other in zip(theirs.predictions, own.predictions):
        for key in ('bboxes', 'scores', 'labels'):
            assert torch.equal(this['pred_instances'][key], other['pred_instances'][key])


@pytest.mark.slow
def test_two_processes_train_without_a_gpu(tiny, tmp_path, repository):
    command = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    command += [repository / 'tools/train.py', tiny.config, '--launcher', 'pytorch']
    done = run(*command, '--work-dir', 'out', cwd=tmp_path, env={'CUDA_VISIBLE_DEVICES': ''})
    assert done.code == 0, done.err
    (log,) = (path.read_text() for path in (tmp_path / 'out').glob('*/*.log'))
    assert 'Distributed training: True' in log
    assert 'Epoch(train) [1][1/1]' in log, 'two of the four images each'
    assert figures(log)
    assert load_checkpoint(tmp_path / 'out' / 'epoch_1.pth')['meta']['iter'] == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_mixed_precision_trains_on_a_gpu(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['train', str(tiny.config), '--amp', '--test', '--work-dir', 'out']) == 0
    (log,) = (path.read_text() for path in Path('out').glob('*/*.log'))
    assert 'GPU 0' in log and figures(log)
    weights = load_checkpoint('out/epoch_1.pth')['state_dict']
    assert all(value.isfinite().all() for value in weights.values())


@pytest.mark.slow
def test_pictures_and_test_time_augmentation(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['train', str(tiny.config), '--work-dir', 'out']) == 0
    test = ['test', str(tiny.config), 'out/epoch_1.pth', '--work-dir']
    assert main([*test, 'plain', '--show-dir', 'pictures', '--out', 'plain.pkl']) == 0
    assert len(list(Path('plain').glob('*/pictures/*.png'))) == 4
    assert main([*test, 'tta', '--tta', '--out', 'tta.pkl']) == 0
    plain, mirrored = (pickle.loads(Path(f'{n}.pkl').read_bytes()) for n in ('plain', 'tta'))
    assert len(plain) == len(mirrored) == 4
    scores = [p[0]['pred_instances']['scores'] for p in (plain, mirrored)]
    assert not torch.equal(scores[0], scores[1][: len(scores[0])])
