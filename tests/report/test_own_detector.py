"""The central user: a config and a checkpoint of MMDetection, crowded images, and one command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest

from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.report import answer
from mmdet_spatialattn.results import SweepResult

CONFIG = 'retinanet/retinanet_r18_fpn_1x_coco.py'
TINY = [
    'train_dataloader.dataset.pipeline.2.scale=(160,120)',
    'test_dataloader.dataset.pipeline.1.scale=(160,120)',
    *(
        f'{loader}_dataloader.{key}'
        for loader in ('train', 'test')
        for key in ('num_workers=0', 'persistent_workers=False')
    ),
]


def subset(source: Path, path: Path, images: int) -> None:
    """Write the first images of a COCO file."""
    content = read_json(source)
    content['images'] = content['images'][:images]
    kept = {image['id'] for image in content['images']}
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in kept]
    write_json(path, content)


def run(folder: Path, *command: str) -> str:
    """Run a command in the user's folder; return what it printed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout


@pytest.fixture(scope='module')
def home(tmp_path_factory, shared_data):
    """The user's folder: blood cells as a COCO file, and a detector that MMDetection trained."""
    folder = tmp_path_factory.mktemp('home')
    for name in ('train', 'test'):
        subset(shared_data / f'bccd/annotations/{name}.json', folder / f'{name}.json', 12)
    (folder / 'images').symlink_to(shared_data / 'bccd/images')
    mim = Path(mmdet.__file__).parent / '.mim'
    data = [
        option
        for loader in ('train', 'val')
        for option in (
            f'{loader}_dataloader.dataset.data_root=./',
            f'{loader}_dataloader.dataset.ann_file=train.json',
            f'{loader}_dataloader.dataset.data_prefix.img=images/',
            f'{loader}_dataloader.dataset.metainfo.classes="(WBC,RBC,Platelets)"',
        )
    ]
    tiny = [option.replace('test_', 'val_') for option in TINY]
    run(
        *(folder, '-m', 'mmdet_spatialattn', str(mim / 'tools/train.py')),
        *(str(mim / 'configs' / CONFIG), '--work-dir', 'stock', '--cfg-options'),
        *(*data, *tiny, 'val_evaluator.ann_file=train.json', 'model.backbone.init_cfg=None'),
        *('model.bbox_head.num_classes=3', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=9'),
    )
    return folder


@pytest.mark.slow
def test_from_a_config_and_a_checkpoint_to_the_answer_on_a_page(home, look):
    out = run(
        *(home, '-m', 'mmdet_spatialattn.cli', 'try', f'mmdet::{CONFIG}', '--yes'),
        *('--attention', 'CBAM,ECA', '--load-from', 'stock/epoch_1.pth', '--images', 'images'),
        *('--data', 'train.json', 'test.json', '--seeds', '2', '--steps', '6', '--jobs', '2'),
        *('--cfg-options', *TINY),
    )
    assert re.search(r'start +stock/epoch_1.pth, whose weights all fit', out)
    assert re.search(r'data +12 images to train on; 12 to test on, with \d+ objects', out)
    assert re.search(r'runs +5 arms x 2 seeds', out)
    runs = home / 'work_dirs/try-retinanet_r18_fpn_1x_coco/runs'
    result = SweepResult.read(runs / 'verdict.json')
    assert [run.state for run in result.runs] == ['finished'] * 10
    assert all(run.health.verdict == 'trained' for run in result.runs if run.arm == 'cbam-neck')
    page = look(runs / 'report.html')
    shown = page.inner_text('body')
    assert all(sentence in shown for sentence in answer(result))
    assert (runs / 'report.html').as_uri() in out
