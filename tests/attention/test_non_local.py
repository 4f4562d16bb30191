"""NonLocal: numbers by hand, against loops, and against MMCV's and timm's."""

import math

import numpy as np
import pytest
import torch
from mmcv.cnn.bricks import NonLocal2d

from mmdet_spatialattn.attention import NonLocal, capture_maps
from mmdet_spatialattn.errors import UserError

from . import slow
from .samples import perturb


@pytest.mark.parametrize('mode', ['embedded_gaussian', 'gaussian', 'dot_product'])
def test_it_equals_the_loops(mode):
    non_local = NonLocal(4, mode=mode)
    block = non_local.block

    def oracle(x):
        places = [x[:, i, j] for i in range(x.shape[1]) for j in range(x.shape[2])]
        query = key = places
        if mode != 'gaussian':
            query = [slow.linear(p, block.theta.conv) for p in places]
            key = [slow.linear(p, block.phi.conv) for p in places]
        values = [slow.linear(p, block.g.conv) for p in places]
        y = []
        for p, q in zip(places, query):
            scores = np.array([q @ k for k in key])
            if mode == 'dot_product':
                weights = scores / len(places)
            else:
                weights = slow.softmax(scores / math.sqrt(2) if 'embedded' in mode else scores)
            mixed = sum(w * v for w, v in zip(weights, values))
            y.append(p + slow.linear(mixed, block.conv_out.conv))
        return np.array(y).T.reshape(x.shape)

    slow.assert_equals(non_local, oracle, 3, 4)


def test_two_positions_by_hand():
    non_local = NonLocal(1, reduction=1)
    for layer in ('theta', 'phi', 'g', 'conv_out'):
        conv = getattr(non_local.block, layer).conv
        torch.nn.init.ones_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    root = math.sqrt(math.log(3))
    x = torch.tensor([root, 0.0]).view(1, 1, 1, 2)
    # The first position scores log 3 and 0, so 3/4 and 1/4; the second is indifferent.
    expected = torch.tensor([1.75 * root, 0.5 * root])
    torch.testing.assert_close(non_local(x).flatten(), expected)
    with capture_maps(non_local) as captured:
        non_local(x)
    torch.testing.assert_close(captured['']['spatial'].flatten(), torch.tensor([1.25, 0.75]))


@pytest.mark.parametrize('norm_cfg', [None, dict(type='BN')])
def test_it_equals_mmcvs(norm_cfg):
    ours = perturb(NonLocal(8, norm_cfg=norm_cfg)).eval()
    theirs = NonLocal2d(8, norm_cfg=norm_cfg).eval()
    theirs.load_state_dict(ours.block.state_dict())
    x = torch.randn(2, 8, 5, 7)
    torch.testing.assert_close(ours(x), theirs(x))


def test_timms_scales_by_the_width_of_the_input_and_norms_the_output():
    timm = pytest.importorskip('timm.layers.non_local_attn')
    ours = perturb(NonLocal(8, norm_cfg=dict(type='BN')))
    theirs = timm.NonLocalAttn(8, rd_channels=4)
    assert theirs.scale == 8**-0.5  # of the projections, 4 channels wide, it would be 4 ** -0.5
    theirs.scale = 4**-0.5
    block = ours.block
    pairs = ((theirs.t, block.theta), (theirs.p, block.phi), (theirs.g, block.g))
    for their_layer, our_layer in (*pairs, (theirs.z, block.conv_out)):
        their_layer.load_state_dict(our_layer.conv.state_dict(), strict=False)
    torch.nn.init.zeros_(theirs.z.bias)  # ours has none in front of a norm
    theirs.norm.load_state_dict(block.conv_out.norm.state_dict())
    x = torch.randn(2, 8, 5, 7)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-5, atol=1e-5)


def test_the_dot_product_publishes_no_map():
    non_local = NonLocal(4, mode='dot_product')
    with capture_maps(non_local) as captured:
        non_local(torch.randn(1, 4, 3, 5))
    assert captured[''] == {} and non_local.maps == ()


def test_a_wrong_argument_is_named():
    with pytest.raises(UserError, match="NonLocal: mode must be one of .* got 'concatenation'"):
        NonLocal(8, mode='concatenation')
    with pytest.raises(UserError, match='NonLocal: reduction must be a positive integer, got 0'):
        NonLocal(8, reduction=0)
