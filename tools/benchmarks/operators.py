"""Compare the time of our nms and roi_align with torchvision's own functions.

    python tools/benchmarks/operators.py
    python tools/benchmarks/operators.py --device cuda --pairs 200

Calls come in pairs, ours and torchvision's in alternating order; a line gives the median of each
and the median of the pairs' ratios. ``mmcv._ext`` is our function; ``mmcv.ops`` is that and mmcv's
own Python around it, which allocates and clears the buffers.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Callable, Optional

import torch
import torchvision.ops

import mmdet_spatialattn  # noqa: F401  (puts the operators in place)

Call = Callable[[], object]


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--pairs', type=int, default=60, help='pairs of calls (60)')
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f'{"call":46} {"ours":>9} {"theirs":>9}  ratio')
    for name, ours, theirs in cases(args.device):
        first, second, ratio = compare(ours, theirs, args.pairs, args.device)
        print(f'{name:46} {first * 1e3:6.2f} ms {second * 1e3:6.2f} ms  {ratio:.3f}', flush=True)
    return 0


def cases(device: str) -> Iterator[tuple[str, Call, Call]]:
    """Yield a name, our call and torchvision's, at sizes of a detector on 800 x 1333 pixels."""
    import mmcv.ops
    from mmcv import _ext

    for count in (1000, 4000):
        boxes, scores = random_boxes(count).to(device), torch.rand(count, device=device)
        yield (
            f'mmcv._ext.nms, {count} boxes',
            lambda b=boxes, s=scores: _ext.nms(b, s, iou_threshold=0.7, offset=0),
            lambda b=boxes, s=scores: torchvision.ops.nms(b, s, 0.7),
        )
        yield (
            f'mmcv.ops.nms, {count} boxes',
            lambda b=boxes, s=scores: mmcv.ops.nms(b, s, 0.7),
            lambda b=boxes, s=scores: torchvision.ops.nms(b, s, 0.7),
        )
    for count in (64, 512):
        maps = torch.rand(2, 256, 50, 84, device=device)
        rois = torch.cat([torch.randint(2, (count, 1)), random_boxes(count)], dim=1).to(device)
        output, empty = maps.new_zeros(count, 256, 7, 7), maps.new_zeros(0)
        sizes = dict(aligned_height=7, aligned_width=7, spatial_scale=1 / 16)
        sizes.update(sampling_ratio=0, pool_mode=1, aligned=True)
        settings = ((7, 7), 1 / 16)
        yield (
            f'mmcv._ext.roi_align_forward, {count} regions',
            lambda m=maps, r=rois, o=output, e=empty, s=sizes: _ext.roi_align_forward(
                m, r, o, e, e, **s
            ),
            lambda m=maps, r=rois, s=settings: torchvision.ops.roi_align(m, r, *s, 0, True),
        )
        gradient = torch.zeros_like(maps)
        yield (
            f'mmcv._ext.roi_align_backward, {count} regions',
            lambda o=output, r=rois, g=gradient, e=empty, s=sizes: _ext.roi_align_backward(
                o, r, e, e, g, **s
            ),
            lambda o=output, r=rois: torch.ops.torchvision._roi_align_backward(
                o, r, 1 / 16, 7, 7, 2, 256, 50, 84, 0, True
            ),
        )
        yield (
            f'mmcv.ops.roi_align, {count} regions',
            lambda m=maps, r=rois, s=settings: mmcv.ops.roi_align(m, r, *s, 0, 'avg', True),
            lambda m=maps, r=rois, s=settings: torchvision.ops.roi_align(m, r, *s, 0, True),
        )


def random_boxes(count: int) -> torch.Tensor:
    """Return boxes ``(count, 4)`` of 16 to 272 pixels in an image of 800 x 1333."""
    start = torch.rand(count, 2) * torch.tensor([1061.0, 528.0])
    return torch.cat([start, start + 16 + 256 * torch.rand(count, 2)], dim=1)


def compare(
    ours: Call,
    theirs: Call,
    pairs: int,
    device: str,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float, float]:
    """Return the median seconds of each and the median ratio, over pairs in alternating order."""

    def seconds(call: Call) -> float:
        start = clock()
        call()
        if device != 'cpu':
            torch.cuda.synchronize()
        return clock() - start

    for call in (ours, theirs, ours, theirs):
        call()
    times = []
    for pair in range(pairs):
        if pair % 2:
            times.append((seconds(ours), seconds(theirs)))
        else:
            times.append((seconds(theirs), seconds(ours))[::-1])
    first, second = zip(*times)
    ratio = statistics.median(a / b for a, b in times)
    return statistics.median(first), statistics.median(second), ratio


if __name__ == '__main__':
    sys.exit(main())
