"""The attention stays attached, and the identity exact, in every copy of the model."""

import copy
import io
import pickle
import shutil
import subprocess
import sys

import pytest
import torch
from mmengine.model import ExponentialMovingAverage, convert_sync_batchnorm, revert_sync_batchnorm
from torch import nn

from mmdet_spatialattn.errors import UserError

from .common import FPN, RESNET18, TWO_STAGES, close, double, entry, equal, maps, same_weights

IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
BACKBONE = [entry(p) for p in ('after_conv1', 'after_conv2', 'after_add', 'stem', 'output')]
NECK = [
    entry('lateral', 'LearnToPayAttention', guide='top', levels=(0, 1)),
    entry('merge', 'AttentionGate', guide='global'),
    entry('output', shared=True),
    entry('input', 'SE'),
]


def hosts(alpha=0.0):
    """Return (with, plain, input) for a backbone and a neck, guided and shared modules included."""
    for entries, host, x in (
        (BACKBONE, dict(RESNET18, **TWO_STAGES), IMAGE),
        (NECK, FPN, maps(FPN['in_channels'])),
    ):
        model, plain = same_weights(entries, **host)
        for name, parameter in model.named_parameters():
            if name.endswith('spatialattn.alpha'):
                parameter.data.fill_(alpha)
        yield model, plain, x


def test_a_deep_copy_calls_its_own_attention():
    for model, plain, x in hosts(alpha=0.5):
        copied = copy.deepcopy(model)
        before = model(x)
        assert equal(copied(x), before)
        for name, parameter in copied.named_parameters():
            if name.endswith('spatialattn.alpha'):
                parameter.data.zero_()
        assert equal(copied(x), plain(x))
        assert equal(model(x), before)


def test_a_deep_copy_shares_what_the_original_shares():
    _, (neck, *_) = hosts()
    copied = copy.deepcopy(neck)
    shared = [getattr(copied, f'output{i}_spatialattn') for i in range(4)]
    assert all(module is shared[0] for module in shared)
    assert shared[0] is not neck.output0_spatialattn


def test_a_pickle_keeps_it():
    for model, _, x in hosts(alpha=0.5):
        assert equal(pickle.loads(pickle.dumps(model))(x), model(x))


def test_ema_averages_the_attention_and_keeps_the_identity():
    for model, plain, x in hosts():
        average = ExponentialMovingAverage(model, momentum=0.5)
        average.update_parameters(model)
        assert equal(average(x), plain(x))
        alphas = [n for n, _ in model.named_parameters() if n.endswith('spatialattn.alpha')]
        for name in alphas:
            model.get_parameter(name).data.fill_(1)
        average.update_parameters(model)
        assert {float(average.module.get_parameter(name)) for name in alphas} == {0.5}


def test_it_compiles_without_a_graph_break():
    for model, plain, x in hosts():
        compiled = torch.compile(model, fullgraph=True, backend='aot_eager')
        with torch.no_grad():
            assert close(compiled(x), plain(x))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which('g++') is None, reason='Inductor needs a compiler')
def test_inductor_compiles_it():
    model, plain = same_weights(BACKBONE[:2], **dict(RESNET18, **TWO_STAGES))
    with torch.no_grad():
        assert close(torch.compile(model, fullgraph=True)(IMAGE), plain(IMAGE))


def test_it_exports_with_torch_export():
    for model, plain, x in hosts():
        program = torch.export.export(model, (x,))
        assert close(program.module()(x), plain(x))


@pytest.mark.slow
def test_it_exports_to_onnx():
    runtime = pytest.importorskip('onnxruntime')
    for model, plain, x in hosts():
        buffer = io.BytesIO()
        torch.onnx.export(model, (x,), dynamo=True, verbose=False).save(buffer)
        session = runtime.InferenceSession(buffer.getvalue())
        inputs = x if isinstance(x, tuple) else (x,)
        feed = {node.name: value.numpy() for node, value in zip(session.get_inputs(), inputs)}
        outputs = [torch.from_numpy(out) for out in session.run(None, feed)]
        assert close(outputs, plain(x))


@pytest.mark.slow
def test_distributed_training_keeps_the_identity_and_reaches_the_attention():
    code = f"""
import torch
from torch.nn.parallel import DistributedDataParallel
from {__name__} import hosts, equal

store = torch.distributed.HashStore()
torch.distributed.init_process_group('gloo', rank=0, world_size=1, store=store)
for model, plain, x in hosts():
    parallel = DistributedDataParallel(model)
    assert equal(parallel(x), plain(x))
    model.train()
    sum(out.square().mean() for out in parallel(x)).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
print('done')
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip().endswith('done'), done.stderr


def test_conversion_to_syncbn_and_back_keeps_it():
    model, _ = same_weights([double(position='after_conv2')], **RESNET18)
    expected = model(IMAGE)
    converted = revert_sync_batchnorm(convert_sync_batchnorm(model))
    converted.eval()
    assert equal(converted(IMAGE), expected)
    assert len(converted.layer1[0].bn2._forward_hooks) == 1


def test_a_norm_that_took_its_attention_with_it_is_an_error():
    model, _ = same_weights([double(position='after_conv2')], **RESNET18)
    model.layer3[1].bn2 = nn.Identity()
    with pytest.raises(UserError, match=r"'layer3.1.bn2' was replaced"):
        model(IMAGE)


def test_an_error_inside_a_neck_leaves_no_guide_behind():
    neck, plain, x = list(hosts())[1]
    with pytest.raises(UserError, match='built for maps'):
        neck((*x[:2], torch.rand(2, 7, 8, 8)))
    with pytest.raises(UserError, match='no guide'):
        neck.lateral_convs[0](x[0])
    assert equal(neck(x), plain(x))
