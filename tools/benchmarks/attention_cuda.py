"""The part of the comparison in ``attention.py`` that runs on a GPU; see there.

Every case is a module at a level of the pyramid of two images of 800 x 1344 pixels, in one memory
layout and one type. Four run it in turns: ours with the fused kernels, ours without, ours without
under ``torch.compile`` (for a few cases: it compiles for seconds), and timm's module. Times are
medians between CUDA events: ``call`` of plain calls, one behind another, ``graph`` of replays of a
CUDA graph, which leave out the time that Python takes to launch.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Callable, Optional

import torch
from timm.layers import EcaModule, EffectiveSEModule, SEModule
from timm.layers.cbam import CbamModule, ChannelAttn, SpatialAttn
from torch import Tensor, nn

from mmdet_spatialattn import build_attention
from mmdet_spatialattn.attention.fused import describe, fusion

CHANNELS = 256
LEVELS = {'P2': (200, 336), 'P3': (100, 168), 'P4': (50, 84), 'P5': (25, 42)}
LAYOUTS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
TYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16}
PEERS: dict[str, Callable[[], Optional[nn.Module]]] = {
    'CBAM': lambda: CbamModule(CHANNELS, rd_channels=CHANNELS // 16),
    'SE': lambda: SEModule(CHANNELS, rd_channels=CHANNELS // 16),
    'CBAMSpatialGate': SpatialAttn,
    'CBAMChannelGate': lambda: ChannelAttn(CHANNELS, rd_channels=CHANNELS // 16, mlp_bias=True),
    'ECA': lambda: EcaModule(CHANNELS),
    'EffectiveSE': lambda: EffectiveSEModule(CHANNELS),
    'SpatialGate': lambda: None,
    'SCSE': lambda: None,
    'BAM': lambda: None,
}
PASSES = {'CBAM': 4, 'SE': 3, 'ECA': 3, 'EffectiveSE': 3, 'CBAMChannelGate': 3}
PASSES.update(CBAMSpatialGate=3, SpatialGate=3)
"""Reads and writes of the whole map that a forward pass needs."""

COMPILED = {(name, 'P2', 'contiguous') for name in ('CBAM', 'SE')}


def cases() -> Iterator[tuple[str, str, str, str]]:
    """Yield module, level, layout and type; what matters most comes first."""
    for levels in (('P2',), ('P3', 'P4', 'P5')):
        for name in PEERS:
            for level in levels:
                for layout in LAYOUTS:
                    for dtype in TYPES:
                        yield name, level, layout, dtype


def median_ms(run: Callable[[], Any], rounds: int, repeats: int = 4) -> float:
    """Return the median time of a call in milliseconds, of calls one behind another."""
    times = []
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(repeats):
            run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / repeats)
    return statistics.median(times)


def graph_of(run: Callable[[], Any]) -> Callable[[], Any]:
    """Return the replay of a CUDA graph of a call."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def copy_bandwidth(rounds: int = 20) -> float:
    """Return the bytes per second that a copy of a map at P2 reads and writes."""
    x = torch.randn(2, CHANNELS, *LEVELS['P2'], device='cuda')
    y = torch.empty_like(x)
    y.copy_(x)
    return 2 * x.nbytes / (median_ms(lambda: y.copy_(x), rounds) / 1e3)


def infer(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return module(x)


def train(module: nn.Module, x: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(module(x), [x, *module.parameters()], gradient)


def kept_megabytes(module: nn.Module, x: Tensor) -> float:
    """Return what a forward pass leaves on the GPU beside its output, for the backward pass."""
    module(x)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    y = module(x)
    return (torch.cuda.memory_allocated() - before - y.nbytes) / 2**20


def measure(name: str, level: str, layout: str, dtype: str, rounds: int) -> dict[str, Any]:
    """Return the times of a case by contender and mode."""
    x = torch.randn(2, CHANNELS, *LEVELS[level], device='cuda', dtype=TYPES[dtype])
    x = x.contiguous(memory_format=LAYOUTS[layout])
    gradient = torch.randn_like(x)
    ours = build_attention(name, CHANNELS).to('cuda', TYPES[dtype])
    off: Callable[[], AbstractContextManager] = partial(fusion, False)
    contenders: dict[str, tuple[nn.Module, Callable[[], AbstractContextManager]]] = {
        'fused': (ours, nullcontext),
        'eager': (ours, off),
    }
    theirs = PEERS[name]()
    if theirs is not None:
        contenders['timm'] = (theirs.to('cuda', TYPES[dtype]), nullcontext)
    if (name, level, layout) in COMPILED:
        torch._dynamo.reset()
        contenders['compiled'] = (torch.compile(ours, dynamic=False), off)
    row: dict[str, Any] = dict(module=name, level=level, layout=layout, dtype=dtype)
    for mode, run, arguments in (('forward', infer, (x,)), ('training', train, (x, gradient))):
        x.requires_grad_(mode == 'training')
        calls, graphs = {}, {}
        for who, (module, switch) in contenders.items():
            module.train(mode == 'training')
            calls[who] = partial(run, module, *arguments)
            with switch():
                for _ in range(2):
                    calls[who]()
                torch.cuda.synchronize()
                graphs[who] = graph_of(calls[who])
        times: dict[tuple[str, str], list[float]] = {}
        for _ in range(rounds):
            for who, (_, switch) in contenders.items():
                with switch():
                    times.setdefault((who, 'call'), []).append(median_ms(calls[who], 1))
                times.setdefault((who, 'graph'), []).append(median_ms(graphs[who], 1))
        for (who, kind), values in times.items():
            row[f'{mode}_{who}_{kind}_ms'] = statistics.median(values)
    for who, (module, switch) in contenders.items():
        if who != 'compiled':
            with switch():
                row[f'kept_{who}_mb'] = kept_megabytes(module, x)
    row['map_mb'] = x.nbytes / 2**20
    return row


def run(*, rounds: int, seconds: float, only: Optional[list[str]] = None) -> dict[str, Any]:
    """Print a line per case and return the table; after ``seconds``, no case is begun."""
    end = time.perf_counter() + seconds
    torch.manual_seed(0)
    bandwidth = copy_bandwidth()
    device = torch.cuda.get_device_name()
    print(f'{device}, torch {torch.__version__}, copy {bandwidth / 1e12:.2f} TB/s, {describe()}')
    print('milliseconds in CUDA graphs; in brackets, of plain calls')
    rows, left_out = [], []
    for case in cases():
        if only and case[0] not in only:
            continue
        if time.perf_counter() > end:
            left_out.append('/'.join(case))
            continue
        row = measure(*case, rounds)
        if case[0] in PASSES:
            needed = PASSES[case[0]] * row['map_mb'] * 2**20 / bandwidth * 1e3
            row['forward_share_of_copy'] = needed / row['forward_fused_graph_ms']
        rows.append(row)
        print(_line(row), flush=True)
    print(f'{len(rows)} cases measured, {len(left_out)} left out for lack of time')
    return dict(
        device=device,
        torch=torch.__version__,
        backend=describe(),
        copy_bytes_per_second=bandwidth,
        rows=rows,
        left_out=left_out,
    )


def _line(row: dict[str, Any]) -> str:
    parts = [f'{row["module"]:15} {row["level"]} {row["layout"]:13} {row["dtype"]:8}']
    for mode in ('forward', 'training'):
        parts.append(mode)
        for who in ('fused', 'eager', 'timm', 'compiled'):
            if f'{mode}_{who}_call_ms' in row:
                graph, call = (row[f'{mode}_{who}_{kind}_ms'] for kind in ('graph', 'call'))
                parts.append(f'{who} {graph:.3f} ({call:.3f})')
    if 'forward_share_of_copy' in row:
        parts.append(f'{row["forward_share_of_copy"]:.0%} of copy')
    parts.append(f'kept {row["kept_fused_mb"]:.0f} / {row["kept_eager_mb"]:.0f} MB')
    return ' '.join(parts)


if __name__ == '__main__':
    sys.exit('run attention.py --device cuda')
