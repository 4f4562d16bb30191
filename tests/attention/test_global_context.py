"""GlobalContext: numbers by hand, against loops, and against MMCV's and timm's."""

import math

import numpy as np
import pytest
import torch
from mmcv.cnn.bricks import ContextBlock

from mmdet_spatialattn.attention import GlobalContext, capture_maps
from mmdet_spatialattn.errors import UserError

from . import slow
from .samples import perturb


def bottleneck(z, layers):
    down, norm, _, up = layers
    z = slow.linear(z, down)
    z = (z - z.mean()) / math.sqrt(((z - z.mean()) ** 2).mean() + norm.eps)
    z = z * slow.array(norm.weight).ravel() + slow.array(norm.bias).ravel()
    return slow.linear(slow.relu(z), up)


@pytest.mark.parametrize('fusions', [('channel_add',), ('channel_mul', 'channel_add')])
@pytest.mark.parametrize('pooling', ['att', 'avg'])
def test_it_equals_the_loops(fusions, pooling):
    context = GlobalContext(8, reduction=2, pooling_type=pooling, fusion_types=fusions)
    block = context.block

    def oracle(x):
        places = [x[:, i, j] for i in range(x.shape[1]) for j in range(x.shape[2])]
        if pooling == 'att':
            weights = slow.softmax([slow.linear(p, block.conv_mask)[0] for p in places])
        else:
            weights = np.full(len(places), 1 / len(places))
        mean = sum(w * p for w, p in zip(weights, places))
        y = x
        if 'channel_mul' in fusions:
            y = y * slow.sigmoid(bottleneck(mean, block.channel_mul_conv))[:, None, None]
        return y + bottleneck(mean, block.channel_add_conv)[:, None, None]

    slow.assert_equals(context, oracle)


def test_two_positions_by_hand():
    context = GlobalContext(2, reduction=1)
    block = context.block
    torch.nn.init.constant_(block.conv_mask.weight, 1)
    torch.nn.init.zeros_(block.conv_mask.bias)
    torch.nn.init.eye_(block.channel_add_conv[0].weight.data.view(2, 2))
    torch.nn.init.zeros_(block.channel_add_conv[0].bias)
    torch.nn.init.ones_(block.channel_add_conv[3].weight)
    x = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]).view(1, 2, 1, 2)
    # Weights 3/4 and 1/4; the mean is (3/4 log 3, 0), normed to 1 and -1; ReLU leaves 1.
    torch.testing.assert_close(context(x), x + 1, rtol=1e-4, atol=1e-4)
    with capture_maps(context) as captured:
        context(x)
    torch.testing.assert_close(captured['']['spatial'].flatten(), torch.tensor([1.5, 0.5]))


def test_it_equals_mmcvs():
    ours, theirs = perturb(GlobalContext(64, reduction=4)), ContextBlock(64, 1 / 4)
    theirs.load_state_dict(ours.block.state_dict())
    x = torch.randn(2, 64, 7, 9)
    torch.testing.assert_close(ours(x), theirs(x))


def test_it_equals_timms_when_that_adds_and_shares_the_epsilon():
    timm = pytest.importorskip('timm.layers.global_context')
    ours = perturb(GlobalContext(64, reduction=4))
    theirs = timm.GlobalContext(64, fuse_add=True, fuse_scale=False, rd_channels=16)
    assert theirs.mlp_add.norm.eps == 1e-6
    theirs.mlp_add.norm.eps = 1e-5
    names = dict(zip(theirs.state_dict(), ours.block.state_dict().values()))
    theirs.load_state_dict({k: v.view_as(theirs.state_dict()[k]) for k, v in names.items()})
    x = torch.randn(2, 64, 7, 9)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_timms_default_multiplies():
    timm = pytest.importorskip('timm.layers.global_context')
    theirs = timm.GlobalContext(64)
    assert theirs.mlp_scale is not None and theirs.mlp_add is None


@pytest.mark.parametrize('channels, reduction, hidden', [(49, 16, 3), (256, 16, 16), (8, 16, 1)])
def test_the_bottleneck_has_the_width_asked_for(channels, reduction, hidden):
    assert GlobalContext(channels, reduction).block.channel_add_conv[0].out_channels == hidden


def test_a_gate_that_starts_at_one_half_gets_an_alpha():
    x = torch.randn(1, 8, 3, 4)
    for fusions in (('channel_add',), ('channel_mul',), 'channel_mul'):
        context = GlobalContext(8, fusion_types=fusions, identity_init=True)
        assert torch.equal(context(x), x)
        assert (context.alpha is None) == ('channel_mul' not in fusions)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(pooling_type='max'), "pooling_type must be one of .* got 'max'"),
        (dict(fusion_types=()), r'fusion_types must be one or both of .* got \(\)'),
        (dict(fusion_types='add'), "fusion_types must be one or both of .* got 'add'"),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(UserError, match=f'GlobalContext: {message}'):
        GlobalContext(8, **options)
