"""LearnToPayAttention: numbers by hand and against loops."""

import math

import pytest
import torch

from mmdet_spatialattn.attention import LearnToPayAttention
from mmdet_spatialattn.attention.base import resize_guide
from mmdet_spatialattn.errors import UserError


def slow(x, guide, project=None, vector=None, normalise='softmax'):
    """Score every location on its own: ``vector`` on the sum, or the dot product without one."""
    output = torch.empty_like(x)
    for n in range(x.shape[0]):
        scores = {}
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                local, g = x[n, :, i, j], guide[n, :, i, j]
                if project is not None:
                    local = project @ local
                scores[i, j] = float((local + g) @ vector if vector is not None else local @ g)
        total = sum(math.exp(score) for score in scores.values())
        for (i, j), score in scores.items():
            if normalise == 'softmax':
                weight = math.exp(score) / total * len(scores)
            else:
                weight = 2 / (1 + math.exp(-score))
            output[n, :, i, j] = weight * x[n, :, i, j]
    return output


def test_two_locations_by_hand():
    attention = LearnToPayAttention(1)
    torch.nn.init.ones_(attention.score.weight)
    x = torch.tensor([0.0, math.log(3.0)]).view(1, 1, 1, 2)
    guide = torch.tensor([math.log(2.0), 0.0]).view(1, 1, 1, 2)
    # Scores log 2 and log 3: softmax 2/5 and 3/5, times the two locations.
    expected = torch.tensor([0.0, 1.2 * math.log(3)])
    torch.testing.assert_close(attention(x, guide).flatten(), expected)


@pytest.mark.parametrize('normalise', ['softmax', 'sigmoid'])
@pytest.mark.parametrize('score', ['sum', 'dot'])
@pytest.mark.parametrize('guide_channels', [4, 3])
def test_it_equals_the_loops(normalise, score, guide_channels):
    attention = LearnToPayAttention(4, guide_channels, score=score, normalise=normalise).double()
    x = torch.randn(2, 4, 3, 5, dtype=torch.double)
    guide = torch.randn(2, guide_channels, 3, 5, dtype=torch.double)
    expected = slow(
        x,
        guide,
        None if attention.project is None else attention.project.weight.detach(),
        None if attention.score is None else attention.score.weight[0].detach(),
        normalise,
    )
    torch.testing.assert_close(attention(x, guide), expected)


@pytest.mark.parametrize('score', ['sum', 'dot'])
def test_a_smaller_guide_is_the_resized_guide(score):
    attention = LearnToPayAttention(4, 6, score=score).double()
    x, guide = torch.randn(2, 4, 6, 10).double(), torch.randn(2, 6, 3, 5).double()
    resized = torch.nn.functional.interpolate(guide, size=(6, 10), mode='bilinear')
    torch.testing.assert_close(attention(x, guide), attention(x, resized))


def test_an_indifferent_guide_changes_nothing():
    x = torch.randn(2, 4, 6, 10)
    for normalise in ('softmax', 'sigmoid'):
        attention = LearnToPayAttention(4, score='dot', normalise=normalise)
        torch.testing.assert_close(attention(x, torch.zeros(2, 4, 1, 1)), x)


def test_a_global_guide_directs_the_dot_product_and_cannot_direct_the_sum():
    x, one, other = torch.randn(1, 4, 6, 10), torch.randn(1, 4, 1, 1), torch.randn(1, 4, 1, 1)
    dot, plus = LearnToPayAttention(4, score='dot'), LearnToPayAttention(4)
    assert not torch.allclose(dot(x, one), dot(x, other), atol=1e-3)
    torch.testing.assert_close(plus(x, one), plus(x, other))


def test_a_global_guide_is_not_copied_to_every_location():
    guide = torch.randn(1, 4, 1, 1)
    assert resize_guide(guide, (5, 7)) is guide


def test_a_guide_of_the_size_of_the_map_is_unchanged():
    guide = torch.randn(1, 4, 5, 7)
    assert torch.equal(resize_guide(guide, (5, 7)), guide)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(score='product'), "score must be one of .* got 'product'"),
        (dict(normalise='tanh'), "normalise must be one of .* got 'tanh'"),
        (dict(guide_channels=0), 'guide_channels must be a positive integer, got 0'),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(UserError, match=f'LearnToPayAttention: {message}'):
        LearnToPayAttention(4, **options)


def test_a_wrong_guide_is_named_with_the_remedy():
    attention = LearnToPayAttention(4, guide_channels=6)
    with pytest.raises(UserError, match=r'guide must be \(2, 6, H, W\), got \(2, 4, 3, 3\); set'):
        attention(torch.rand(2, 4, 3, 3), torch.rand(2, 4, 3, 3))
