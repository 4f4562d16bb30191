"""GeneralizedAttention: numbers by hand, against loops, and against MMCV's, term by term."""

import itertools
import math

import numpy as np
import pytest
import torch
from mmcv.cnn.bricks import GeneralizedAttention as MMCVs

from mmdet_spatialattn.attention import GeneralizedAttention, capture_maps
from mmdet_spatialattn.errors import UserError

from . import slow
from .samples import perturb

TERMS = [''.join(digits) for digits in itertools.product('01', repeat=4)][1:]
MMCV_FAILS = ('0100', '0110', '1100', '1110')  # the second term without the fourth


def pair(terms, kv_stride=2, q_stride=1):
    options = dict(num_heads=3, kv_stride=kv_stride, q_stride=q_stride, attention_type=terms)
    ours, theirs = perturb(GeneralizedAttention(16, **options)), MMCVs(16, **options)
    theirs.load_state_dict(ours.block.state_dict())
    return ours, theirs


@pytest.mark.parametrize('terms', [terms for terms in TERMS if terms not in MMCV_FAILS])
@pytest.mark.parametrize('strides', [(2, 1), (1, 1), (2, 2)])
def test_it_equals_mmcvs(terms, strides):
    ours, theirs = pair(terms, *strides)
    x = torch.randn(2, 16, 5, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('terms', MMCV_FAILS)
def test_mmcvs_swaps_rows_and_columns_in_the_second_term_without_the_fourth(terms):
    ours, theirs = pair(terms)
    x = torch.randn(2, 16, 5, 6)
    assert ours(x).shape == x.shape
    with pytest.raises(RuntimeError, match='must match'):
        theirs(x)


@pytest.mark.parametrize('terms', TERMS)
def test_it_equals_the_loops(terms):
    attention = GeneralizedAttention(8, num_heads=2, kv_stride=2, attention_type=terms)
    block = attention.block
    query_key, query_position, bias_key, bias_position = block.attention_type

    def sines(distance):
        wave = [1000 ** (4 / 8 * k) for k in range(2)]
        return np.array([f(distance / w) for f in (math.sin, math.cos) for w in wave])

    def oracle(x):
        asking = list(np.ndindex(*x.shape[1:]))
        asked = [(i, j) for i, j in asking if i % 2 == 0 and j % 2 == 0]
        y = np.zeros_like(x)
        for i, j in asking:
            mixed = np.zeros(8)
            for head in (slice(0, 4), slice(4, 8)):
                scores = []
                for a, b in asked:
                    score = 0.0
                    if query_key or query_position:
                        query = slow.linear(x[:, i, j], block.query_conv)[head]
                    if query_key or bias_key:
                        key = slow.linear(x[:, a, b], block.key_conv)[head]
                    if query_position or bias_position:
                        place = slow.linear(sines(i - a), block.appr_geom_fc_y)
                        place = place + slow.linear(sines(j - b), block.appr_geom_fc_x)
                        place = place[head] / math.sqrt(2)
                    if query_key:
                        score += query @ key
                    if query_position:
                        score += query @ place
                    if bias_key:
                        score += slow.array(block.appr_bias)[head] @ key
                    if bias_position:
                        score += slow.array(block.geom_bias)[head] @ place
                    scores.append(score)
                for weight, (a, b) in zip(slow.softmax(scores), asked):
                    mixed[head] += weight * slow.linear(x[:, a, b], block.value_conv)[head]
            update = slow.linear(mixed, block.proj_conv)
            y[:, i, j] = x[:, i, j] + slow.array(block.gamma)[0] * update
        return y

    slow.assert_equals(attention, oracle, 3, 4)


def test_two_positions_by_hand():
    attention = GeneralizedAttention(4, num_heads=1, kv_stride=1, attention_type='0010')
    block = attention.block
    for layer in (block.key_conv, block.value_conv, block.proj_conv):
        torch.nn.init.eye_(layer.weight.data.view(4, 4))
    torch.nn.init.ones_(block.appr_bias)
    torch.nn.init.constant_(block.gamma, 2)
    x = torch.zeros(1, 4, 1, 2)
    x[0, 0, 0, 0] = math.log(3)
    # The sums log 3 and 0 give weights 3/4 and 1/4 to everybody's mean.
    expected = torch.tensor([math.log(3) * (1 + 1.5), math.log(3) * 1.5])
    torch.testing.assert_close(attention(x)[0, 0, 0], expected)
    with capture_maps(attention) as captured:
        attention(x)
    torch.testing.assert_close(captured['']['spatial'].flatten(), torch.tensor([1.5, 0.5]))


@pytest.mark.parametrize(
    'channels, options, message',
    [
        (8, dict(), 'num_heads must be from 1 to in_channels=8, got 9'),
        (18, dict(), "need in_channels divisible by 4, got 18; choose attention_type '0010'"),
        (16, dict(attention_type='11'), "four digits of 0 and 1, one of them 1.* got '11'"),
        (16, dict(attention_type='0000'), "four digits of 0 and 1, one of them 1.* got '0000'"),
        (16, dict(kv_stride=0), 'kv_stride must be a positive integer, got 0'),
    ],
)
def test_a_wrong_argument_is_named(channels, options, message):
    with pytest.raises(UserError, match=f'GeneralizedAttention: .*{message}'):
        GeneralizedAttention(channels, **options)
