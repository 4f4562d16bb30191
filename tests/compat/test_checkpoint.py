"""MMEngine's checkpoints load under torch's protection, and hostile ones run nothing."""

import argparse
import copyreg
import importlib.util
import io
import os
import pickle
import random
import subprocess
import sys
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Optional

import mmengine.runner.checkpoint as loaders
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

from mmdet_spatialattn.compat import checkpoint, hook
from mmdet_spatialattn.compat.checkpoint import load_checkpoint
from mmdet_spatialattn.errors import UserError


def mmengine_loads(path):
    """Load as MMEngine's Runner, ``load_checkpoint`` and stock tools do."""
    return loaders.CheckpointLoader.load_checkpoint(str(path), map_location='cpu', logger='silent')


NUMPY_NAMES = [b'numpy.core.multiarray', b'numpy._core.multiarray']
READERS = pytest.mark.parametrize('read', [load_checkpoint, mmengine_loads])


@pytest.fixture
def normal() -> dict:
    """What MMEngine saves, with an empty history and arrays where a hook may put them."""
    return dict(
        meta=dict(epoch=2, iter=8, cfg='a = 1', dataset_meta=dict(classes=('square',))),
        state_dict=OrderedDict({'conv.weight': torch.arange(6.0).reshape(2, 3)}),
        message_hub=dict(
            log_scalars=OrderedDict(
                {
                    'train/loss': HistoryBuffer([4.0, 2.0, 3.0], [1, 1, 2]),
                    'val/time': HistoryBuffer(),
                }
            ),
            runtime_info=OrderedDict(
                best=np.float64(0.25),
                count=np.int64(7),
                table=np.asfortranarray(np.arange(6, dtype='>i4').reshape(2, 3)),
                nested=([np.array([True, False])], np.complex64(1 + 2j)),
            ),
        ),
        optimizer=dict(state={0: dict(momentum_buffer=torch.ones(2, 3))}, param_groups=[]),
    )


def save(content, path: Path, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def save_pickle(data: bytes, path: Path, records: tuple = ()) -> Path:
    """Write a file of torch's format around a hand-made pickle."""
    writer = torch._C.PyTorchFileWriter(str(path))
    writer.write_record('data.pkl', data, len(data))
    for name in records:
        writer.write_record(name, b'', 0)
    writer.write_end_of_file()
    return path


def save_legacy_pickle(data: bytes, path: Path) -> Path:
    """The same in torch's format of before 1.6."""
    head = [pickle.dumps(value, 2) for value in (MAGIC_NUMBER, PROTOCOL_VERSION, {})]
    path.write_bytes(b''.join([*head, data, pickle.dumps([], 2)]))
    return path


class Runs:
    """Pickles as a call of ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@READERS
@pytest.mark.parametrize('legacy', [False, True])
def test_a_checkpoint_of_mmengine_comes_back_as_it_was_saved(normal, tmp_path, read, legacy):
    path = save(normal, tmp_path / 'a.pth', legacy)
    with pytest.raises(pickle.UnpicklingError, match='Unsupported global'):
        torch.load(path)
    loaded = read(path)
    assert loaded['meta'] == normal['meta']
    assert loaded['state_dict'].keys() == {'conv.weight'}
    assert torch.equal(loaded['state_dict']['conv.weight'], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(loaded['optimizer']['state'][0]['momentum_buffer'], torch.ones(2, 3))
    history = loaded['message_hub']['log_scalars']['train/loss']
    assert type(history) is HistoryBuffer
    assert history.statistics('mean') == 9.0 / 4
    assert [a.tolist() for a in history.data] == [[4.0, 2.0, 3.0], [1, 1, 2]]
    assert history.max_length == 1000000
    assert loaded['message_hub']['log_scalars']['val/time'].data[0].shape == (0,)
    info = loaded['message_hub']['runtime_info']
    assert type(info['best']) is np.float64 and info['best'] == 0.25
    assert type(info['count']) is np.int64 and info['count'] == 7
    assert type(info['table']) is np.ndarray and info['table'].dtype == np.dtype('>i4')
    assert info['table'].flags.f_contiguous and info['table'].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert info['nested'][0][0].tolist() == [True, False]
    assert info['nested'][1] == np.complex64(1 + 2j)


def test_a_loaded_history_goes_on_and_is_saved_again(normal, tmp_path):
    first = load_checkpoint(save(normal, tmp_path / 'a.pth'))
    first['message_hub']['log_scalars']['train/loss'].update(11.0)
    again = load_checkpoint(save(first, tmp_path / 'b.pth'))
    assert again['message_hub']['log_scalars']['train/loss'].data[0].tolist() == [4, 2, 3, 11]
    assert again['message_hub']['runtime_info']['table'].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize('name', NUMPY_NAMES)
def test_numpy_1_and_numpy_2_checkpoints_load(normal, tmp_path, name):
    path = save(normal, tmp_path / 'a.pth', legacy=True)
    data = path.read_bytes()
    (written,) = [known for known in NUMPY_NAMES if known in data]
    path.write_bytes(data.replace(written, name))
    assert load_checkpoint(path)['message_hub']['runtime_info']['count'] == 7


def test_map_location_is_obeyed(normal, tmp_path):
    path = save(normal, tmp_path / 'a.pth')
    assert load_checkpoint(path, 'meta')['state_dict']['conv.weight'].is_meta


def test_published_weights_load(tmp_path):
    weights = OrderedDict({'fc.weight': torch.nn.Parameter(torch.ones(2))})
    weights._metadata = OrderedDict({'': dict(version=1)})
    published = dict(meta=dict(CLASSES=('a',), PALETTE=[(1, 2, 3)], time='now'), state_dict=weights)
    for content in (published, weights):
        assert load_checkpoint(save(content, tmp_path / 'a.pth')).keys() == content.keys()


@READERS
@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('place', ['alone', 'in meta', 'in the state_dict', 'in a history'])
def test_a_call_in_a_checkpoint_is_named_and_not_made(normal, tmp_path, read, legacy, place):
    marker = tmp_path / 'marker'
    call = Runs(exec, f'open({str(marker)!r}, "w").close()')
    content = normal
    if place == 'alone':
        content = call
    elif place == 'in meta':
        normal['meta']['x'] = call
    elif place == 'in the state_dict':
        normal['state_dict']['x'] = call
    else:
        normal['message_hub']['log_scalars']['train/loss'].max_length = call
    path = save(content, tmp_path / 'a.pth', legacy)
    torch.load(path, weights_only=False)
    assert marker.exists(), 'the file does nothing, so this test would prove nothing'
    marker.unlink()
    with pytest.raises(UserError, match=r'a\.pth needs types .*exec.*nothing in it was executed'):
        read(path)
    assert not marker.exists()


def test_every_unsafe_type_is_named(tmp_path):
    content = dict(state_dict={}, a=Path('x'), b=Runs(exec, 'pass'), c=Runs(eval, '1'))
    with pytest.raises(UserError, match='builtins.eval, builtins.exec, pathlib'):
        load_checkpoint(save(content, tmp_path / 'a.pth'))


HISTORY = b'cmmengine.logging.history_buffer\nHistoryBuffer\n'
GETATTR = b'cbuiltins\ngetattr\n'
MINUS_1 = b'J\xff\xff\xff\xff'


def text(word: str) -> bytes:
    """Opcodes that make a string."""
    return b'X' + len(word).to_bytes(4, 'little') + word.encode()


def bytes_of(content: str) -> bytes:
    """Opcodes that make bytes, as protocol 2 does."""
    return b'c_codecs\nencode\n(' + text(content) + text('latin1') + b'tR'


def dtype(code: str, parts: bytes = b'NNN', flags: int = 0) -> bytes:
    """Opcodes that make a numpy.dtype: its code; subarray, names and fields; its flags."""
    state = b'(K\x03' + text('<') + parts + 2 * MINUS_1 + b'K' + bytes([flags]) + b't'
    return b'cnumpy\ndtype\n(' + text(code) + b'\x89\x88tR' + state + b'b'


def array(kind: bytes, shape: bytes = b'K\x01\x85', content: Optional[bytes] = None) -> bytes:
    """Opcodes that make a numpy.ndarray of one number of eight bytes."""
    content = bytes_of('0' * 8) if content is None else content
    return EMPTY_ARRAY + b'(K\x01' + shape + kind + b'\x89' + content + b'tb'


def history(state: bytes) -> bytes:
    """Opcodes that make a HistoryBuffer and hand it a state."""
    return HISTORY + b')\x81' + state + b'b'


def state(values: bytes, statistics: bytes = b'', more: bytes = b'') -> bytes:
    """Opcodes that make the state of a HistoryBuffer."""
    arrays = text('_log_history') + values + text('_count_history') + values
    methods = text('statistics_methods') + b'}(' + statistics + b'u'
    return b'}(' + arrays + text('max_length') + b'K\x01' + methods + more + b'u'


MEAN = GETATTR + b'(' + HISTORY + text('mean') + b'tR'
MAX = GETATTR + b'(' + HISTORY + text('max') + b'tR'
EMPTY_ARRAY = (
    b'cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85' + bytes_of('b') + b'tR'
)
CRAFTED = {
    'getattr beyond the statistics': GETATTR + b'(' + HISTORY + text('__init__') + b'tR',
    'a chain of getattr': GETATTR + b'(' + MEAN + text('__globals__') + b'tR',
    'getattr of something else': GETATTR + b'(ctorch\nSize\n' + text('mean') + b'tR',
    'a dotted name': b'cmmengine.logging.history_buffer\nHistoryBuffer.mean.__globals__\n',
    'a dotted name on the stack': (
        text('mmengine.logging.history_buffer') + text('HistoryBuffer.mean.__globals__') + b'\x93'
    ),
    'a module by its name on the stack': text('os') + text('system') + b'\x93',
    'the real history class': b'cmmdet_spatialattn.compat.closed_list\nHistoryBuffer\n',
    'our own module': b'cmmdet_spatialattn.compat.closed_list\nos.system\n',
    'a type through the back door': (
        b'ctorch._tensor\n_rebuild_from_type_v2\n(' + GETATTR + b'ctorch\nTensor\n('
        + HISTORY + text('__init__') + b't}tR'
    ),
    'a call through the back door': (
        b'ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nctorch\nTensor\n('
        + text('true') + b't}tR'
    ),
    'code for a method': MEAN + b'}' + text('__code__') + b'K\x01sb',
    'items for a history': history(b'}') + text('mean') + b'K\x01s',
    'a history without a state': history(b'}'),
    'a history of other things': history(state(b'K\x01')),
    'a history with more in it': history(state(EMPTY_ARRAY, more=text('__class__') + b'K\x01')),
    'another statistic as the mean': history(state(EMPTY_ARRAY, text('mean') + MAX)),
    'another name for the mean': history(state(EMPTY_ARRAY, text('__init__') + MEAN)),
    'an array of objects': array(dtype('O', flags=63), content=b']K\x01a'),
    'an array of raw memory': array(dtype('V8')),
    'an array longer than its bytes': array(dtype('f8'), b'K\x02\x85'),
    'an array of negative size': array(dtype('f8'), MINUS_1 + MINUS_1 + b'\x86'),
    'numbers with fields': dtype('f8', b'N)}'),
    'a subclass of array': EMPTY_ARRAY.replace(b'ndarray', b'matrix'),
    'an array by its constructor': b'cnumpy\nndarray\n(K\x05\x85' + dtype('f8') + b'tR',
    'bytes of any size': b'cbuiltins\nbytes\n(J\x00\x00\x00\x7ftR',
    'a storage of a strange class': (
        b'(' + text('storage') + HISTORY + text('0') + text('cpu') + b'K\x01tQ'
    ),
    'a storage of a command': (
        b'(' + text('storage') + b'cos\nsystem\n' + text('0') + text('cpu') + b'K\x01tQ'
    ),
    'a persistent id that is no storage': b'(' + text('system') + text('true') + b'tQ',
    'a persistent id of text': b'Ptrue\n',
    'a pickle in the pickle': b'c_pickle\nloads\n(' + bytes_of('cos\nsystem\n.') + b'tR',
    'torch.load in the pickle': b'ctorch.serialization\nload\n(' + text('true') + b'tR',
    'numpy.load in the pickle': b'cnumpy\nload\n(' + text('true') + b'tR',
    'a registered extension': b'\x82\x42(' + text('true') + b'tR',
    'an instance': b"(S'true'\nios\nsystem\n",
    'an object': b'(cos\nsystem\n' + text('true') + b'o',
}  # fmt: skip


@pytest.mark.parametrize('name', CRAFTED)
@pytest.mark.parametrize('write', [save_pickle, save_legacy_pickle])
def test_a_crafted_pickle_is_refused(name, write, tmp_path, monkeypatch):
    monkeypatch.setattr(copyreg, '_inverted_registry', {0x42: ('os', 'system')})
    ran = []
    monkeypatch.setattr('os.system', ran.append)
    methods = dict(HistoryBuffer._statistics_methods)
    path = write(b'\x80\x02' + CRAFTED[name] + b'.', tmp_path / 'a.pth')
    with pytest.raises(UserError, match=r'a\.pth (needs types|is damaged)') as refusal:
        load_checkpoint(path)
    assert '\n' not in str(refusal.value)
    assert not ran and HistoryBuffer._statistics_methods == methods


def test_the_crafted_opcodes_say_what_they_seem_to(monkeypatch):
    """To pickle these bytes mean something: they are not refused as mere nonsense."""

    def loads(opcodes: bytes, protocol: bytes = b'\x80\x02'):
        return pickle.loads(protocol + opcodes + b'.')

    monkeypatch.setattr(HistoryBuffer, '_statistics_methods', {})
    assert loads(MEAN) is HistoryBuffer.mean
    assert loads(dtype('f8')) == np.dtype('f8')
    assert loads(array(dtype('f8'))).tobytes() == b'0' * 8
    assert loads(array(dtype('O', flags=63), content=b']K\x01a')).tolist() == [1]
    assert loads(history(state(array(dtype('f8'))))).data[0].tobytes() == b'0' * 8
    assert loads(CRAFTED['a chain of getattr'])['np'] is np
    assert loads(CRAFTED['a dotted name on the stack'], b'\x80\x04')['np'] is np
    loads(CRAFTED['another statistic as the mean'])
    assert HistoryBuffer._statistics_methods['mean'] is HistoryBuffer.max


def test_a_history_by_hand_loads(tmp_path):
    opcodes = history(state(array(dtype('f8')), text('mean') + MEAN))
    path = save_pickle(b'\x80\x02}' + text('a') + opcodes + b's.', tmp_path / 'a.pth')
    assert load_checkpoint(path)['a'].data[0].tobytes() == b'0' * 8


def test_flags_that_make_numbers_pointers_are_ignored(tmp_path):
    pointer = dtype('f8', flags=63)
    assert pickle.loads(b'\x80\x02' + pointer + b'.').flags == 63
    path = save_pickle(b'\x80\x02}' + text('a') + array(pointer) + b's.', tmp_path / 'a.pth')
    loaded = load_checkpoint(path)['a']
    assert loaded.dtype.flags == 0 and loaded.tobytes() == b'0' * 8


def test_a_torchscript_archive_is_refused(tmp_path):
    path = save_pickle(b'\x80\x02}.', tmp_path / 'a.pth', records=('constants.pkl',))
    with pytest.raises(UserError, match='is a TorchScript archive'):
        load_checkpoint(path)


def test_a_tar_archive_is_refused(tmp_path):
    path = tmp_path / 'a.pth'
    with tarfile.open(path, 'w') as archive:
        for name in ('sys_info', 'pickle', 'storages', 'tensors'):
            member = tarfile.TarInfo(name)
            archive.addfile(member, io.BytesIO())
    with pytest.raises(UserError, match='is a tar archive'):
        load_checkpoint(path)


def test_another_pickle_protocol_is_named(normal, tmp_path):
    torch.save(normal, tmp_path / 'a.pth', pickle_protocol=4)
    with pytest.raises(UserError, match='pickle protocol than 2'):
        load_checkpoint(tmp_path / 'a.pth')


@READERS
@pytest.mark.parametrize('legacy', [False, True])
def test_a_damaged_file_is_a_clear_error_or_loads(normal, tmp_path, read, legacy):
    whole = save(normal, tmp_path / 'whole.pth', legacy).read_bytes()
    path = tmp_path / 'a.pth'
    rng = random.Random(0)
    refused = 0
    for i in range(150):
        data = bytearray(whole)
        if i % 3 == 0:
            del data[rng.randrange(len(data)) :]
        else:
            for _ in range(rng.choice([1, 2, 8])):
                data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            read(path)
        except UserError as error:
            refused += 1
            assert 'a.pth' in str(error) and '\n' not in str(error)
    assert refused > 100


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is no checkpoint: it is empty'),
        (b'hello, world', 'is damaged or not a checkpoint'),
        (b'PK\x03\x04 and no more', 'is damaged or not a checkpoint'),
        (None, 'cannot read the checkpoint .*No such file'),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, content, message):
    path = tmp_path / 'a.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=f'{message}' if content is None else rf'a\.pth {message}'):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'<!DOCTYPE html><html>404</html>', 'it is a web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'it is a pointer of Git LFS'),
        (b'\x10\0\0\0\0\0\0\0{"w": {}}       ', 'it is a safetensors file'),
    ],
)
def test_what_a_file_is_instead_of_a_checkpoint_is_said(tmp_path, content, message):
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(UserError, match=rf'a\.pth is no checkpoint: {message}'):
        load_checkpoint(tmp_path / 'a.pth')


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.pth')
    with pytest.raises(UserError, match='a.pth is a pipe, a socket or a device'):
        load_checkpoint(tmp_path / 'a.pth')


@READERS
def test_a_config_in_the_metainfo_comes_back(normal, tmp_path, read):
    source = ConfigDict(tool='mine', nested=dict(version=3))
    normal['meta']['dataset_meta']['source'] = source
    read_again = read(save(normal, tmp_path / 'a.pth'))['meta']['dataset_meta']['source']
    assert read_again == source and type(read_again) is ConfigDict


def test_the_remedy_names_the_key_of_the_weights(tmp_path):
    content = {'model': {'w': torch.ones(2)}, 'args': argparse.Namespace(lr=1e-4)}
    with pytest.raises(UserError, match=r"argparse.Namespace.*weights_only=False\)\['model'\]"):
        load_checkpoint(save(content, tmp_path / 'a.pth'))


def test_a_folder_and_a_tensor_are_no_checkpoints(tmp_path):
    with pytest.raises(UserError, match='cannot read the checkpoint'):
        load_checkpoint(tmp_path)
    with pytest.raises(UserError, match='it holds a Tensor, not a dictionary'):
        load_checkpoint(save(torch.ones(2), tmp_path / 'a.pth'))


def test_shared_and_nested_containers_take_linear_time(tmp_path):
    value: tuple = ()
    for _ in range(60):
        value = (value, value)  # 2 ** 60 paths
    loaded = load_checkpoint(save(dict(a=value), tmp_path / 'a.pth'))['a']
    for _ in range(60):
        assert loaded[0] is loaded[1]
        loaded = loaded[0]
    assert loaded == ()


def test_other_users_of_torch_load_see_no_change(normal, tmp_path):
    before = set(torch.serialization.get_safe_globals())
    path = save(normal, tmp_path / 'a.pth')
    load_checkpoint(path)
    with pytest.raises(UserError):
        load_checkpoint(save(Runs(exec, 'pass'), tmp_path / 'b.pth'))
    assert set(torch.serialization.get_safe_globals()) == before
    assert torch.load.__module__ == 'torch.serialization'
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path)


def test_what_a_user_allows_stays_allowed_but_never_replaces_a_stand_in(normal, tmp_path):
    allowed = [getattr, HistoryBuffer, np.ndarray, np.dtype, Path, np._core.multiarray._reconstruct]
    normal['meta']['folder'] = OrderedDict
    path = save(normal, tmp_path / 'a.pth')
    hostile = save_pickle(b'\x80\x02' + CRAFTED['a chain of getattr'] + b'.', tmp_path / 'b.pth')
    with torch.serialization.safe_globals(allowed):
        before = set(torch.serialization.get_safe_globals())
        assert load_checkpoint(path)['message_hub']['runtime_info']['count'] == 7
        assert torch.load(hostile)['np'] is np  # why torch's list cannot simply take getattr
        with pytest.raises(UserError, match='getattr'):
            load_checkpoint(hostile)
        assert set(torch.serialization.get_safe_globals()) == before


def test_what_mmengine_downloads_is_read_under_protection(normal, tmp_path, monkeypatch):
    path = save(dict(state_dict={}, x=Runs(exec, 'pass')), tmp_path / 'b.pth')
    (tmp_path / 'checkpoints').mkdir()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path))
    path.rename(tmp_path / 'checkpoints' / 'b.pth')
    save(normal, tmp_path / 'checkpoints' / 'a.pth')
    assert load_checkpoint('https://example.invalid/a.pth')['meta']['epoch'] == 2
    with pytest.raises(UserError, match=r'https://example\.invalid/b\.pth needs types .*exec'):
        load_checkpoint('https://example.invalid/b.pth')


def test_what_is_missing_on_a_server_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path))
    with pytest.raises(UserError, match=r'cannot read the checkpoint http://127\.0\.0\.1:9/a\.pth'):
        load_checkpoint('http://127.0.0.1:9/a.pth')


@pytest.mark.parametrize('order', ['package first', 'mmengine first'])
def test_mmengine_is_changed_when_it_loads_and_not_loaded_for_it(order, tmp_path, normal):
    imports = ['import mmdet_spatialattn; assert "mmengine" not in sys.modules, "not light"']
    imports.insert(0 if order == 'mmengine first' else 1, 'import mmengine.runner')
    if order == 'mmengine first':
        imports[1] = 'import mmdet_spatialattn'
    path = save(normal, tmp_path / 'a.pth')
    code = '\n'.join(
        [
            'import sys',
            *imports,
            'import mmdet_spatialattn.compat as compat',
            'compat.install()',
            'from mmengine.runner import CheckpointLoader',
            f'print(CheckpointLoader.load_checkpoint({str(path)!r})["meta"]["epoch"])',
            'print(CheckpointLoader.load_checkpoint.__wrapped__.__qualname__)',
            'assert not hasattr(CheckpointLoader.load_checkpoint.__wrapped__, "__wrapped__")',
        ]
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ['2', 'CheckpointLoader.load_checkpoint']


LOADERS = """
class CheckpointLoader:
    @classmethod
    def load_checkpoint(cls, filename, map_location=None, logger='current'):
        return {call}

def load_url(url):
    pass
"""


@pytest.mark.parametrize(
    ('call', 'protected', 'wrapped'),
    [
        ('torch.load(filename)', True, True),
        ('torch.load(filename)', False, False),
        ('torch.load(filename, weights_only=True)', True, False),
    ],
)
def test_only_an_mmengine_that_torch_refuses_is_changed(
    call, protected, wrapped, tmp_path, monkeypatch
):
    path = tmp_path / f'loaders_{protected}_{wrapped}.py'
    path.write_text(LOADERS.format(call=call))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(checkpoint, 'is_protected', lambda: protected)
    hook.after_import(path.stem, checkpoint._wrap_loaders)
    assert hasattr(module.CheckpointLoader.load_checkpoint, '__wrapped__') is wrapped
