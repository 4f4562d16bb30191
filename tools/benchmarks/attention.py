"""Compare time and memory of our attention with timm's and MMCV's modules of the same kind.

    python tools/benchmarks/attention.py
    python tools/benchmarks/attention.py --size 2 256 25 42 --quadratic --json attention.json
    python tools/benchmarks/attention.py --device cuda --seconds 150 --json attention_cuda.json

Calls come in pairs, ours and theirs in alternating order; a ratio is the median of the pairs'
ratios. On the CPU, times are of one core's work, which other work on the machine disturbs less than
time on the wall. Forward is eval mode without gradients, training is one forward and one backward
pass in train mode. Kept is what one training pass keeps in memory for its backward pass, weights
aside. The exit code is 1 when a ratio of times is above --limit, or one of memories above 1.001.
With --device cuda the table is another: attention_cuda.py says which.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Optional

import timm.layers as timm
import torch
from mmcv.cnn.bricks import ContextBlock, NonLocal2d
from mmcv.cnn.bricks import GeneralizedAttention as Generalized
from operators import compare
from timm.layers.cbam import CbamModule, ChannelAttn, SpatialAttn
from timm.layers.coord_attn import CoordAttn
from timm.layers.global_context import GlobalContext
from timm.layers.non_local_attn import NonLocalAttn
from torch import Tensor, nn

from mmdet_spatialattn import build_attention
from mmdet_spatialattn.io import write_json


def peers(c: int) -> Iterator[tuple[str, str, dict, nn.Module]]:
    """Yield our name, theirs, our arguments, and their module of the same layers and widths."""
    hidden = c // 16
    yield 'SE', 'timm', {}, timm.SEModule(c, rd_channels=hidden)
    yield 'EffectiveSE', 'timm', {}, timm.EffectiveSEModule(c)
    yield 'ECA', 'timm', {}, timm.EcaModule(c)
    yield 'GatherExcite', 'timm', {}, timm.GatherExcite(c, use_mlp=False)
    yield 'GatherExcite', 'timm', {'extent': 8}, timm.GatherExcite(c, extent=8, use_mlp=False)
    yield 'CBAMChannelGate', 'timm', {}, ChannelAttn(c, rd_channels=hidden, mlp_bias=True)
    yield 'CBAMSpatialGate', 'timm', {}, SpatialAttn()
    yield 'CBAM', 'timm', {}, CbamModule(c, rd_channels=hidden)
    yield 'CoordAttention', 'timm', {}, CoordAttn(c, rd_channels=max(8, c // 32), bias=True)
    adding = dict(fuse_add=True, fuse_scale=False, rd_channels=hidden)
    yield 'GlobalContext', 'timm', {}, GlobalContext(c, **adding)
    yield 'GlobalContext', 'mmcv', {}, ContextBlock(c, 1 / 16)


def quadratic_peers(c: int) -> Iterator[tuple[str, str, dict, nn.Module]]:
    """Yield the same for modules whose cost grows faster than the number of positions."""
    from mmcv.ops import CrissCrossAttention

    yield 'CrissCross', 'mmcv', {'recurrence': 1}, CrissCrossAttention(c)
    norm = dict(norm_cfg=dict(type='BN'))
    yield 'NonLocal', 'timm', norm, NonLocalAttn(c, rd_channels=c // 2)
    yield 'NonLocal', 'mmcv', {}, NonLocal2d(c)
    yield 'GeneralizedAttention', 'mmcv', {}, Generalized(c)


def infer(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return module(x)


def train(module: nn.Module, x: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(module(x), [x, *module.parameters()], gradient)


def kept_bytes(module: nn.Module, x: Tensor) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, weights aside."""
    weights = {tensor.untyped_storage()._cdata for tensor in module.state_dict().values()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage  # held, so that its address is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = module(x)
    del output
    return sum(storage.nbytes() for storage in kept.values())


def measure(
    ours: nn.Module, theirs: nn.Module, size: Sequence[int], device: str, pairs: int
) -> dict[str, float]:
    """Return the ratios of ours to theirs, and our milliseconds and megabytes."""
    ours, theirs = ours.to(device), theirs.to(device)
    x = torch.randn(*size, device=device)
    gradient = torch.randn_like(x)
    row: dict[str, float] = {}
    clock = time.process_time if device == 'cpu' else time.perf_counter
    modes = (('forward', infer, False, (x,)), ('training', train, True, (x, gradient)))
    for name, run, training, arguments in modes:
        x.requires_grad_(training)
        calls = [partial(run, module.train(training), *arguments) for module in (ours, theirs)]
        seconds, _, row[f'{name}_ratio'] = compare(*calls, pairs, device, clock)
        row[f'{name}_ms'] = seconds * 1e3
    kept = [kept_bytes(module, x) for module in (ours, theirs)]
    return {**row, 'kept_ratio': kept[0] / max(kept[1], 1), 'kept_mb': kept[0] / 2**20}


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = dict(nargs=4, type=int, default=(2, 256, 100, 168), metavar=('N', 'C', 'H', 'W'))
    parser.add_argument('--size', **size, help='size of the map (2 256 100 168)')
    parser.add_argument('--only', nargs='+', metavar='NAME', help='some of our modules')
    parser.add_argument('--quadratic', action='store_true', help='with those not linear in H W')
    parser.add_argument('--pairs', type=int, default=30, help='pairs of calls (30)')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--seconds', type=float, default=150, help='limit on cuda (150)')
    parser.add_argument('--limit', type=float, default=1.05, help='of the ratios of times (1.05)')
    parser.add_argument('--json', metavar='FILE', help='write the table as JSON to FILE')
    args = parser.parse_args(argv)
    if args.device == 'cuda':
        if not torch.cuda.is_available():
            parser.error('--device cuda: torch finds no CUDA device')
        import attention_cuda

        table = attention_cuda.run(rounds=args.pairs, seconds=args.seconds, only=args.only)
        if args.json:
            write_json(args.json, table)
        return 0
    torch.set_num_threads(1)
    torch.manual_seed(0)
    channels = args.size[1]
    rows, slower = [], []
    print(f'{"module":22} {"peer":5} {"forward":>17} {"training":>17} {"kept for backward":>18}')
    for name, peer, options, theirs in [
        *peers(channels),
        *(quadratic_peers(channels) if args.quadratic else ()),
    ]:
        if args.only and name not in args.only:
            continue
        ours = build_attention(name, channels, **options)
        row = measure(ours, theirs, args.size, args.device, args.pairs)
        label = f'{name}({", ".join(f"{k}={v}" for k, v in options.items() if k != "norm_cfg")})'
        rows.append({'module': label, 'peer': peer, **row})
        print(
            f'{label.replace("()", ""):22} {peer:5} '
            f'{row["forward_ms"]:8.2f} ms {row["forward_ratio"]:5.3f} '
            f'{row["training_ms"]:8.2f} ms {row["training_ratio"]:5.3f} '
            f'{row["kept_mb"]:9.2f} MB {row["kept_ratio"]:5.3f}',
            flush=True,
        )
        times = max(row['forward_ratio'], row['training_ratio'])
        if times > args.limit or row['kept_ratio'] > 1.001:
            slower.append(f'{label} against {peer}')
    if args.json:
        write_json(args.json, {'size': args.size, 'device': args.device, 'rows': rows})
    for line in slower:
        print(f'above the limit: {line}', file=sys.stderr)
    return 1 if slower else 0


if __name__ == '__main__':
    sys.exit(main())
