"""The authors' weights: each release's computation, under its own names, gives our output."""

import pytest
import torch
import torch.nn.functional as F

from mmdet_spatialattn import attention
from mmdet_spatialattn.attention import load_reference_weights
from mmdet_spatialattn.attention.reference import RENAMED
from mmdet_spatialattn.errors import UserError


def norm(x, w, name):
    """Batch norm in eval mode, of maps or of vectors."""
    names = ('running_mean', 'running_var', 'weight', 'bias')
    return F.batch_norm(x, *(w[f'{name}.{key}'] for key in names))


def conv(x, w, name, **kwargs):
    return F.conv2d(x, w[f'{name}.weight'], w.get(f'{name}.bias'), **kwargs)


def linear(x, w, name):
    return F.linear(x, w[f'{name}.weight'], w.get(f'{name}.bias'))


def pooled_plane(x, w, name):
    stats = torch.stack([x.max(1)[0], x.mean(1)], dim=1)
    return norm(conv(stats, w, f'{name}.conv', padding=3), w, f'{name}.bn').sigmoid()


def se(x, w):
    gate = linear(F.relu(linear(x.mean((2, 3)), w, 'fc.0')), w, 'fc.2')
    return x * gate.sigmoid()[..., None, None]


def se_of_convolutions(x, w):
    gate = conv(F.relu(conv(x.mean((2, 3), True), w, 'fc1')), w, 'fc2')
    return x * gate.sigmoid()


def eca(x, w):
    gate = F.conv1d(x.mean((2, 3))[:, None], w['conv.weight'], padding=1).squeeze(1)
    return x * gate.sigmoid()[..., None, None]


def cbam_channel(x, w, at='ChannelGate.'):
    def mlp(z):
        return linear(F.relu(linear(z, w, f'{at}mlp.1')), w, f'{at}mlp.3')

    return x * (mlp(x.mean((2, 3))) + mlp(x.amax((2, 3)))).sigmoid()[..., None, None]


def cbam_spatial(x, w, at='SpatialGate.'):
    return x * pooled_plane(x, w, f'{at}spatial')


def cbam(x, w):
    return cbam_spatial(cbam_channel(x, w), w)


def bam(x, w):
    c, s = 'channel_att.gate_c.gate_c_', 'spatial_att.gate_s.gate_s_'
    channel = F.relu(norm(linear(x.mean((2, 3)), w, f'{c}fc_0'), w, f'{c}bn_1'))
    channel = linear(channel, w, f'{c}fc_final')[..., None, None]
    spatial = F.relu(norm(conv(x, w, f'{s}conv_reduce0'), w, f'{s}bn_reduce0'))
    for i in (0, 1):
        spatial = conv(spatial, w, f'{s}conv_di_{i}', padding=4, dilation=4)
        spatial = F.relu(norm(spatial, w, f'{s}bn_di_{i}'))
    return x * (1 + (channel * conv(spatial, w, f'{s}conv_final')).sigmoid())


def triplet(x, w, planes=('ChannelGateH.spatial', 'ChannelGateW.spatial', 'SpatialGate.spatial')):
    total = 0
    for order, name in zip(((0, 2, 1, 3), (0, 3, 2, 1), (0, 1, 2, 3)), planes):
        rotated = x.permute(order)
        total = total + (rotated * pooled_plane(rotated, w, name)).permute(order)
    return total / 3


def triplet_of_the_newer_file(x, w):
    return triplet(x, w, ('cw.conv', 'hc.conv', 'hw.conv'))


def fca(x, w):
    size = w['dct_layer.weight'].shape[1:]
    squeezed = (F.adaptive_avg_pool2d(x, size) * w['dct_layer.weight']).sum((2, 3))
    gate = linear(F.relu(linear(squeezed, w, 'fc.0')), w, 'fc.2').sigmoid()
    return x * gate[..., None, None]


def gcnet(x, w):
    weights = conv(x, w, 'conv_mask').flatten(2).softmax(2)
    z = (x.flatten(2) * weights).sum(2)[..., None, None]
    z = conv(z, w, 'channel_add_conv.0')
    shape = z.shape[1:]
    z = F.layer_norm(z, shape, w['channel_add_conv.1.weight'], w['channel_add_conv.1.bias'])
    return x + conv(F.relu(z), w, 'channel_add_conv.3')


def coordinate(x, w):
    h, width = x.shape[2:]
    strips = torch.cat([x.mean(3, True), x.mean(2, True).transpose(2, 3)], dim=2)
    strips = F.hardswish(norm(conv(strips, w, 'conv1'), w, 'bn1'))
    row, column = strips.split([h, width], dim=2)
    column = conv(column.transpose(2, 3), w, 'conv_w').sigmoid()
    return x * conv(row, w, 'conv_h').sigmoid() * column


def sge(x, w):
    n, c, h, width = x.shape
    groups = w['weight'].shape[1]
    x = x.view(n * groups, -1, h, width)
    t = (x * x.mean((2, 3), True)).sum(1).view(n * groups, -1)
    t = (t - t.mean(1, True)) / (t.std(1, keepdim=True) + 1e-5)
    t = t.view(n, groups, h, width) * w['weight'] + w['bias']
    return (x * t.view(n * groups, 1, h, width).sigmoid()).view(n, c, h, width)


def linears(prefix, bias=True, c=32, m=4):
    a, b = f'{prefix}{{}}'.format, {}
    for layer, shape in ((a(0), (m, c)), (a(2), (c, m))):
        b[f'{layer}.weight'] = shape
        if bias:
            b[f'{layer}.bias'] = shape[:1]
    return b


def layer(name, *shape, bias=True):
    return {f'{name}.weight': shape, **({f'{name}.bias': shape[:1]} if bias else {})}


def bn(name, channels):
    keys = ('weight', 'bias', 'running_mean', 'running_var')
    return {f'{name}.{key}': (channels,) for key in keys}


def gate(name):
    return {**layer(f'{name}.conv', 1, 2, 7, 7, bias=False), **bn(f'{name}.bn', 1)}


MLP = {**layer('mlp.1', 4, 32), **layer('mlp.3', 32, 4)}
C, S = 'channel_att.gate_c.gate_c_', 'spatial_att.gate_s.gate_s_'
RELEASES = {
    'SE': (dict(reduction=8), se, linears('fc.')),
    'SE of convolutions': (
        dict(reduction=8),
        se_of_convolutions,
        {**layer('fc1', 4, 32, 1, 1), **layer('fc2', 32, 4, 1, 1)},
    ),
    'SE without biases': (dict(reduction=8, bias=False), se, linears('fc.', bias=False)),
    'ECA': (dict(), eca, layer('conv', 1, 1, 3, bias=False)),
    'CBAM': (
        dict(reduction=8),
        cbam,
        {**{f'ChannelGate.{k}': v for k, v in MLP.items()}, **gate('SpatialGate.spatial')},
    ),
    'CBAMChannelGate': (dict(reduction=8), lambda x, w: cbam_channel(x, w, ''), MLP),
    'CBAMSpatialGate': (dict(), lambda x, w: cbam_spatial(x, w, ''), gate('spatial')),
    'BAM': (
        dict(reduction=8),
        bam,
        {
            **layer(f'{C}fc_0', 4, 32), **bn(f'{C}bn_1', 4), **layer(f'{C}fc_final', 32, 4),
            **layer(f'{S}conv_reduce0', 4, 32, 1, 1), **bn(f'{S}bn_reduce0', 4),
            **layer(f'{S}conv_di_0', 4, 4, 3, 3), **bn(f'{S}bn_di_0', 4),
            **layer(f'{S}conv_di_1', 4, 4, 3, 3), **bn(f'{S}bn_di_1', 4),
            **layer(f'{S}conv_final', 1, 4, 1, 1),
        },
    ),
    'TripletAttention': (
        dict(),
        triplet,
        {k: v for n in ('ChannelGateH', 'ChannelGateW', 'SpatialGate')
         for k, v in gate(f'{n}.spatial').items()},
    ),
    'TripletAttention of the newer file': (
        dict(),
        triplet_of_the_newer_file,
        {k: v for n in ('cw', 'hc', 'hw') for k, v in gate(f'{n}.conv').items()},
    ),
    'FCA': (dict(reduction=8, size=7), fca, linears('fc.', bias=False)),
    'GlobalContext': (
        dict(reduction=8),
        gcnet,
        {
            **layer('conv_mask', 1, 32, 1, 1), **layer('channel_add_conv.0', 4, 32, 1, 1),
            'channel_add_conv.1.weight': (4, 1, 1), 'channel_add_conv.1.bias': (4, 1, 1),
            **layer('channel_add_conv.3', 32, 4, 1, 1),
        },
    ),
    'CoordAttention': (
        dict(reduction=4),
        coordinate,
        {
            **layer('conv1', 8, 32, 1, 1), **bn('bn1', 8),
            **layer('conv_h', 32, 8, 1, 1), **layer('conv_w', 32, 8, 1, 1),
        },
    ),
    'SGE': (dict(groups=8), sge, {'weight': (1, 8, 1, 1), 'bias': (1, 8, 1, 1)}),
}  # fmt: skip


def release(name):
    """Return our module, the authors' computation, and random weights under their names."""
    options, run, shapes = RELEASES[name]
    weights = {k: torch.rand(v) + 0.1 if 'var' in k else torch.randn(v) for k, v in shapes.items()}
    module = getattr(attention, name.split()[0])(32, **options).eval()
    if name == 'FCA':
        rows, columns = module.rows, module.columns
        filters = torch.einsum('ki,kj->kij', rows, columns).repeat_interleave(2, dim=0)
        weights['dct_layer.weight'] = filters
    return module, run, weights


@pytest.mark.parametrize('name', RELEASES)
def test_their_weights_give_their_output(name):
    module, run, weights = release(name)
    x = torch.randn(2, 32, 7, 9)
    report = load_reference_weights(module, weights)
    assert report.complete, str(report)
    torch.testing.assert_close(module(x), run(x, weights), rtol=1e-5, atol=1e-5)


def test_every_module_with_published_weights_is_tried():
    assert {name.split()[0] for name in RELEASES} == set(RENAMED)


def test_weights_of_a_whole_network_are_read_below_the_prefix():
    module, run, weights = release('CBAM')
    network = {f'module.layer1.0.cbam.{key}': value for key, value in weights.items()}
    network['module.layer1.0.conv1.weight'] = torch.zeros(3)
    assert load_reference_weights(module, network, prefix='module.layer1.0.cbam.').complete
    x = torch.randn(1, 32, 5, 5)
    torch.testing.assert_close(module(x), run(x, weights), rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_reported_and_the_rest_is_loaded():
    _, _, weights = release('CBAM')
    weights['ChannelGate.mlp.5.weight'] = torch.zeros(1)
    del weights['SpatialGate.spatial.bn.bias']
    module = attention.CBAM(32, reduction=8, kernel_size=5, identity_init=True)
    report = load_reference_weights(module, weights)
    assert not report.complete
    assert report.missing == ('spatial.norm.bias',)
    assert report.unexpected == ('ChannelGate.mlp.5.weight',)
    assert report.mismatched == ('spatial.conv.weight ((1, 2, 7, 7) there, (1, 2, 5, 5) here)',)
    assert str(report).startswith('loaded 7 tensors\nmissing: spatial.norm.bias\nunexpected: ')
    assert torch.equal(module.channel.mlp[0].weight, weights['ChannelGate.mlp.1.weight'])
    assert module.alpha == 0


def test_a_wrong_prefix_is_named_with_the_remedy():
    module, _, weights = release('CBAM')
    with pytest.raises(UserError, match="prefix 'layer1.' .*ChannelGate.mlp.1.weight.*give"):
        load_reference_weights(module, weights, prefix='layer1.')


def test_a_module_without_published_weights_is_named():
    with pytest.raises(UserError, match='SimAM: no published weights are known .*BAM, CBAM'):
        load_reference_weights(attention.SimAM(8), {})
