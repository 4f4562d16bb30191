"""Costs of models whose cost is known by hand."""

import torch
from torch import nn

from mmdet_spatialattn.cost import measure_costs, peak_memory


def test_a_convolution_costs_what_the_formula_says():
    conv = nn.Conv2d(3, 8, 3, padding=1)
    x = torch.rand(2, 3, 10, 12)
    cost = measure_costs({'conv': conv}, lambda model: model(x), 'conv', rounds=2)['conv']
    assert cost.parameters == 8 * 3 * 9 + 8
    assert cost.flops == 2 * (2 * 10 * 12) * 8 * (3 * 9)
    assert cost.memory == 2 * 8 * 10 * 12 * 4
    assert cost.latency_ratio == 1


def test_attention_over_all_pairs_is_counted():
    q = torch.rand(1, 1, 50, 16)

    def attend(model):
        return nn.functional.scaled_dot_product_attention(q, q, q)

    flops = measure_costs({'sdpa': nn.Identity()}, attend, 'sdpa', rounds=1)['sdpa'].flops
    assert flops == 2 * (2 * 50 * 50 * 16)


def test_peak_memory_sees_what_is_held_at_once_and_not_what_was_freed():
    size = 1000 * 4

    def chain():
        x = torch.ones(1000)
        for _ in range(5):
            x = x + 1

    def hoard():
        return [torch.ones(1000) for _ in range(5)]

    assert peak_memory(chain) == 2 * size
    assert peak_memory(hoard) == 5 * size


def test_views_and_results_in_place_cost_nothing():
    x = torch.ones(1000)
    assert peak_memory(lambda: x.view(10, 100).t().add_(1)) == 0


def test_a_model_that_does_more_work_takes_longer():
    x = torch.rand(1, 64, 64, 64)
    single = nn.Conv2d(64, 64, 3)
    four = nn.Sequential(*(nn.Conv2d(64, 64, 3) for _ in range(4)))
    costs = measure_costs({'one': single, 'four': four}, lambda model: model(x), 'one', rounds=5)
    assert costs['four'].latency_ratio > 1.5
