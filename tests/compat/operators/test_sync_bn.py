"""Batch norm over two processes equals batch norm over both batches."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from mmcv.ops import SyncBatchNorm

from .reference import random


def _worker(rank, folder, stats_mode):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
    layer = SyncBatchNorm(3, stats_mode=stats_mode)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        layer.bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
    x = random(4, 3, 5, 2)[2 * rank : 2 * rank + 2].float().requires_grad_()
    y = layer(x)
    (y * random(*y.shape, seed=1 + rank).float()).sum().backward()
    results = dict(y=y.detach(), x=x.grad, weight=layer.weight.grad, bias=layer.bias.grad)
    results.update(mean=layer.running_mean, var=layer.running_var)
    torch.save(results, f'{folder}/{rank}.pt')
    dist.destroy_process_group()


@pytest.mark.parametrize('stats_mode', ['default', 'N'])
def test_sync_bn_in_two_processes_equals_batch_norm_over_both(tmp_path, stats_mode):
    mp.start_processes(_worker, (tmp_path, stats_mode), nprocs=2, start_method='fork')
    parts = [torch.load(tmp_path / f'{rank}.pt') for rank in (0, 1)]
    x = random(4, 3, 5, 2).requires_grad_()
    weight = torch.tensor([0.5, 1.0, 2.0], dtype=torch.double, requires_grad=True)
    bias = torch.tensor([1.0, 0.0, -1.0], dtype=torch.double, requires_grad=True)
    mean, var = torch.zeros(3, dtype=torch.double), torch.ones(3, dtype=torch.double)
    y = F.batch_norm(x, mean, var, weight, bias, training=True)
    of_output = torch.cat([random(2, 3, 5, 2, seed=1), random(2, 3, 5, 2, seed=2)]).float()
    (y * of_output).sum().backward()
    expected = dict(y=y.detach(), x=x.grad)
    for name, value in expected.items():
        whole = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(whole.double(), value, atol=1e-5, rtol=1e-5)
    for part in parts:
        # mmcv averages the gradients of weight and bias over the processes, where DDP sums them.
        for name, value in dict(weight=weight.grad / 2, bias=bias.grad / 2).items():
            torch.testing.assert_close(part[name].double(), value, atol=1e-5, rtol=1e-5)
        for name, value in dict(mean=mean, var=var).items():
            torch.testing.assert_close(part[name].double(), value, atol=1e-5, rtol=1e-5)
