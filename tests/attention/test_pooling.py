"""Adaptive pooling by matrices is torch's adaptive pooling."""

import pytest
import torch
import torch.nn.functional as F

from mmdet_spatialattn.attention.pooling import adaptive_mean, pooling_matrix


def test_bins_overlap_where_the_size_is_no_multiple():
    expected = [[1 / 2, 1 / 2, 0, 0, 0], [0, 1 / 3, 1 / 3, 1 / 3, 0], [0, 0, 0, 1 / 2, 1 / 2]]
    torch.testing.assert_close(pooling_matrix(5, 3, torch.rand(1)), torch.tensor(expected))


@pytest.mark.parametrize('size', [(1, 1), (3, 40), (7, 7), (13, 9), (100, 168)])
@pytest.mark.parametrize('bins', [(1, 1), (7, 5), (56, 56)])
def test_it_equals_torchs_adaptive_pooling(size, bins):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(adaptive_mean(x, bins), F.adaptive_avg_pool2d(x, bins))
