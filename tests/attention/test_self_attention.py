"""SelfAttention2d: numbers by hand, against loops and against timm."""

import math

import numpy as np
import pytest
import torch
from timm.layers import Attention

from mmdet_spatialattn import capture_maps
from mmdet_spatialattn.attention import SelfAttention2d

from . import slow
from .samples import perturb


def attention_weights(q, keys):
    scores = [sum(a * b for a, b in zip(q, k)) / math.sqrt(len(q)) for k in keys]
    return slow.softmax(np.array(scores))


def loops(module, x):
    """Return the output and the attention that each position receives."""
    channels, h, w = x.shape
    heads, window = module.num_heads, module.window or max(h, w)
    d = channels // heads
    gain, shift = slow.array(module.norm.weight), slow.array(module.norm.bias)
    qkv = {}
    for i, j in np.ndindex(h, w):
        v = x[:, i, j]
        mean = sum(v) / channels
        variance = sum((v - mean) ** 2) / channels
        qkv[i, j] = slow.linear((v - mean) / math.sqrt(variance + 1e-6) * gain + shift, module.qkv)
    y, received = x.copy(), np.zeros((h, w))
    for i, j in qkv:
        seen = [p for p in qkv if p[0] // window == i // window and p[1] // window == j // window]
        mixed = np.zeros(channels)
        for head in range(heads):
            part = slice(head * d, (head + 1) * d)
            q, keys = qkv[i, j][:channels][part], [qkv[p][channels:][part] for p in seen]
            for p, weight in zip(seen, attention_weights(q, keys)):
                mixed[part] += weight * qkv[p][2 * channels :][part]
                received[p] += weight / heads
        y[:, i, j] += slow.linear(mixed, module.proj)
    return y, received


@pytest.mark.parametrize('window', [None, 2, 3, 7])
def test_it_equals_the_loops(window):
    module = SelfAttention2d(6, num_heads=2, window=window)
    slow.assert_equals(module, lambda x: loops(module, x)[0], 5, 4)


@pytest.mark.parametrize('window', [None, 3])
def test_its_map_is_the_attention_that_positions_receive(window):
    module = perturb(SelfAttention2d(6, num_heads=2, window=window)).double()
    x = torch.randn(2, 6, 5, 4, dtype=torch.double)
    with capture_maps(module) as captured:
        module(x)
    (received,) = captured[''].values()
    for sample, actual in zip(x, received):
        expected = torch.from_numpy(loops(module, sample.numpy())[1])
        torch.testing.assert_close(actual[0], expected)
    torch.testing.assert_close(received.mean((1, 2, 3)), torch.ones(2).double())


def test_the_map_of_many_positions_is_made_in_parts():
    module = perturb(SelfAttention2d(4, num_heads=1))
    x = torch.randn(1, 4, 20, 30)  # 600 positions, parts of 256
    with capture_maps(module) as captured:
        module(x)
    q, k, _ = module.qkv(module.norm(x.flatten(2).transpose(1, 2))).chunk(3, 2)
    weights = (q @ k.transpose(1, 2) / 2).softmax(2)
    torch.testing.assert_close(captured['']['spatial'].flatten(), weights.sum(1).flatten())


def test_two_positions_by_hand():
    module = SelfAttention2d(2, num_heads=1)
    for layer in (module.qkv, module.proj):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    # Normalised, the positions are (1, -1) and (-1, 1).
    module.qkv.bias.data[0] = math.sqrt(2) * math.log(3) / 2  # all ask for the first channel
    module.qkv.weight.data[2, 0] = 1  # keys are the first channel
    module.qkv.weight.data[4, 0] = 1  # values too
    module.proj.weight.data[0, 0] = 1
    x = torch.tensor([[10.0, -10.0], [-10.0, 10.0]]).view(1, 2, 1, 2)
    # Scores +- log(3) / 2: weights 3/4 and 1/4, and the value 3/4 - 1/4.
    torch.testing.assert_close(module(x), x + torch.tensor([0.5, 0.0]).view(2, 1, 1))


def test_it_equals_timms():
    ours = perturb(SelfAttention2d(32, num_heads=4))
    theirs = Attention(32, num_heads=4, qkv_bias=True)
    theirs.qkv.load_state_dict(ours.qkv.state_dict())
    theirs.proj.load_state_dict(ours.proj.state_dict())
    x = torch.randn(2, 32, 6, 9)
    mixed = theirs(ours.norm(x.flatten(2).transpose(1, 2))).transpose(1, 2)
    torch.testing.assert_close(ours(x), x + mixed.view_as(x), rtol=1e-5, atol=1e-5)


def test_the_cost_is_linear_within_windows():
    assert SelfAttention2d(8).cost == 'O((HW)^2)'
    assert SelfAttention2d(8, window=7).cost == 'O(HW)'


def test_windows_do_not_see_each_other():
    module = perturb(SelfAttention2d(8, window=4))
    x = torch.randn(1, 8, 8, 8)
    changed = x.clone()
    changed[..., :4, :4] += 1
    same = (module(x) == module(changed)).all(1)[0]
    assert same[4:].all() and same[:, 4:].all() and not same[:4, :4].any()
