"""The weights that a config starts from are found, or refused in one line, before a training."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.errors import MissingFile, UserError
from mmdet_spatialattn.experiments.pretrained import (
    check_available,
    check_pretrained,
    without_pretrained,
)
from mmdet_spatialattn.experiments.sweep import check, dry_run
from tests.experiments.sets import configs_of, small_plan, small_scenes

KEY = 'model.backbone.init_cfg.checkpoint'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty folder of downloads."""
    monkeypatch.setattr('torch.hub.get_dir', lambda: str(tmp_path / 'hub'))
    (tmp_path / 'hub/checkpoints').mkdir(parents=True)
    return tmp_path / 'hub/checkpoints'


@pytest.fixture
def closed():
    """An address at which nothing answers."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        port = listener.getsockname()[1]
    return f'http://127.0.0.1:{port}/weights-0123.pth'


@pytest.fixture
def offered():
    """The address of a file that a server offers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == '/weights.pth' else 404)
            self.send_header('Content-Length', '98000000')
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.fixture(scope='module')
def plan(tmp_path_factory):
    """Return a small plan, with changes of all arms."""
    scenes = small_scenes(tmp_path_factory.mktemp('set') / 'scenes')

    def plan(**overrides):
        overrides = {key.replace('__', '.'): value for key, value in overrides.items()}
        return small_plan(scenes, overrides={'data_root': str(scenes), **overrides})

    return plan


def test_a_file_that_cannot_be_downloaded_is_one_line_with_the_remedy(closed, cache):
    with pytest.raises(UserError) as caught:
        check_available(closed, KEY)
    line = str(caught.value)
    assert line.startswith(f'{KEY}: {closed} is not in {cache} and cannot be downloaded (')
    assert line.endswith(f'elsewhere, and give the file with --cfg-options {KEY}=FILE')


def test_what_will_be_downloaded_is_told(offered, cache):
    note = check_available(f'{offered}/weights.pth', KEY)
    assert note == f'{KEY}: {offered}/weights.pth (98 MB) will be downloaded to {cache}'
    with pytest.raises(UserError, match='Not Found'):
        check_available(f'{offered}/other.pth', KEY)


def test_what_is_in_the_cache_is_not_asked_for(closed, cache):
    (cache / 'weights-0123.pth').touch()
    assert check_available(closed, KEY) is None
    (cache / 'resnet50-0676ba61.pth').touch()  # where MMEngine's table has it
    assert check_available('torchvision://resnet50', KEY) is None


def test_names_and_files_that_do_not_exist(tmp_path):
    with pytest.raises(UserError, match="torchvision:// has no 'resnet5'; did you mean 'resnet50'"):
        check_available('torchvision://resnet5', KEY)
    with pytest.raises(UserError, match="open-mmlab:// has no 'resnot'"):
        check_available('open-mmlab://resnot', KEY)
    with pytest.raises(MissingFile, match=f'{KEY}: .*gone.pth does not exist; give another with'):
        check_available(str(tmp_path / 'gone.pth'), KEY)


def test_every_pretrained_part_of_a_model_is_checked_and_can_be_left_out(plan, tmp_path):
    config = configs_of(plan())['plain']
    (tmp_path / 'here.pth').touch()
    here = dict(type='Pretrained', checkpoint=str(tmp_path / 'here.pth'))
    config.model.backbone.init_cfg = here
    assert check_pretrained(config) == []
    config.model.neck.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'gone.pth'))
    with pytest.raises(MissingFile, match=r'model\.neck\.init_cfg\.checkpoint: .*gone.pth'):
        check_pretrained(config)
    bare = without_pretrained(config.model)
    assert bare.backbone.init_cfg is None and bare.neck.init_cfg is None
    assert config.model.backbone.init_cfg == here


def test_the_check_of_a_plan_names_the_arm_whose_weights_cannot_be_had(plan, closed, tmp_path):
    init = dict(type='Pretrained', checkpoint=closed, _delete_=True)
    with pytest.raises(UserError, match=rf"arm 'plain': {KEY}: {closed} is not in"):
        check(plan(model__backbone__init_cfg=init), tmp_path / 'runs')


def test_a_dry_run_refuses_a_checkpoint_of_another_model(plan, tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'state_dict': {'layer.weight': torch.zeros(2)}}, path)
    with pytest.raises(
        UserError, match=r"arm 'plain': load_from: .*0 of \d+ weights fit"
    ) as caught:
        dry_run(plan(load_from=str(path)), tmp_path / 'runs')
    assert '1 unexpected (layer.weight)' in str(caught.value)


def test_a_dry_run_reads_and_downloads_no_weights(plan, offered, tmp_path, cache):
    init = dict(type='Pretrained', checkpoint=f'{offered}/weights.pth', _delete_=True)
    forecast = dry_run(plan(model__backbone__init_cfg=init), tmp_path / 'runs')
    (note,) = forecast.notes
    assert note.endswith(f'(98 MB) will be downloaded to {cache}') and note in str(forecast)
    assert not list(cache.iterdir())
