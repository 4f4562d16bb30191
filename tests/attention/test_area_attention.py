"""AreaAttention: numbers by hand and against loops."""

import math

import numpy as np
import pytest
import torch

from mmdet_spatialattn.attention import AreaAttention, capture_maps
from mmdet_spatialattn.errors import UserError

from . import slow


@pytest.mark.parametrize('height, width, areas', [(4, 3, 4), (5, 6, 4), (3, 3, 2), (1, 5, 4)])
def test_it_equals_the_loops(height, width, areas):
    attention = AreaAttention(4, num_heads=2, areas=areas, kernel_size=3)

    def layer(z, conv_and_norm):
        return slow.batch_norm(slow.conv(z, conv_and_norm[0]), conv_and_norm[1])

    def oracle(x):
        qkv = layer(x, attention.qkv)
        flat = qkv.reshape(12, -1)
        q, k, v = flat[:4], flat[4:8], flat[8:]
        length = math.ceil(height * width / areas)
        mixed = np.zeros_like(q)
        for t in range(height * width):
            start = t // length * length
            strip = range(start, min(start + length, height * width))
            for head in (slice(0, 2), slice(2, 4)):
                weights = slow.softmax([q[head, t] @ k[head, s] / math.sqrt(2) for s in strip])
                mixed[head, t] = sum(w * v[head, s] for w, s in zip(weights, strip))
        total = mixed.reshape(x.shape) + layer(qkv[8:], attention.position)
        return x + layer(total, attention.proj)

    slow.assert_equals(attention, oracle, height, width)


def test_two_strips_by_hand():
    attention = AreaAttention(1, areas=2, kernel_size=1, norm_cfg=None)
    for parameter in attention.parameters():
        torch.nn.init.zeros_(parameter)
    for conv in (attention.qkv[0], attention.proj[0]):
        torch.nn.init.ones_(conv.weight)
    root = math.sqrt(math.log(3))
    x = torch.tensor([[root, 0.0], [7.0, 7.0]]).view(1, 1, 2, 2)
    # The first row is a strip: weights 3/4 and 1/4, and halves. The second row sees only itself.
    expected = torch.tensor([[1.75 * root, 0.5 * root], [14.0, 14.0]]).view(1, 1, 2, 2)
    torch.testing.assert_close(attention(x), expected)
    with capture_maps(attention) as captured:
        attention(x)
    expected = torch.tensor([[1.25, 0.75], [1.0, 1.0]]).view(1, 1, 2, 2)
    torch.testing.assert_close(captured['']['spatial'], expected)
    torch.nn.init.ones_(attention.position[0].weight)
    torch.testing.assert_close(attention(x)[0, 0, 1], torch.tensor([21.0, 21.0]))


def test_a_strip_does_not_see_another():
    attention = AreaAttention(8, areas=3, kernel_size=1).eval()
    x = torch.randn(1, 8, 6, 5)
    changed = x.clone()
    changed[:, :, 3] += 1
    same = (attention(changed) == attention(x)).all(1)[0].all(1)
    assert same.tolist() == [True, True, False, False, True, True]


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_heads=3), 'num_heads=3 does not divide in_channels=16; choose one of 1, 2, 4'),
        (dict(areas=0), 'areas must be a positive integer, got 0'),
        (dict(kernel_size=6), 'kernel_size must be odd, got 6'),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(UserError, match=f'AreaAttention: {message}'):
        AreaAttention(16, **options)
