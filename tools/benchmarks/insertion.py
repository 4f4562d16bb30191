"""What the engine itself costs: identity attention at 16 places of ResNet-50, and the build.

    python tools/benchmarks/insertion.py
    python tools/benchmarks/insertion.py --size 320 --rounds 60 --json insertion.json

Plain and inserted model run in turns, in random order within each pair; the medians of the pairs'
ratios are what the machine's drift leaves alone. torch's threads: OMP_NUM_THREADS. The hook path
is measured (torchvision's ResNet-50), and the slots of MMDetection's bottlenecks beside it.
"""

import argparse
import random
import statistics
import sys
import time
import timeit
from typing import Any, Callable, Optional

import torch
from torch import nn
from torchvision.models import resnet50

import mmdet_spatialattn
from mmdet_spatialattn.io import write_json

PLACES = [dict(cfg=dict(type=nn.Identity), position='after_conv3')]
PARENT = "_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'"
CBAM = dict(type='CBAM', identity_init=True, norm_cfg=dict(type='GN', num_groups=1))


def paired_ratio(run: Callable[[], Any], base: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Return the median ratio of two times over interleaved pairs, and its middle half."""
    order, times = [(0, run), (1, base)], []
    for _ in range(rounds + 3):
        random.shuffle(order)
        pair = [0.0, 0.0]
        for which, function in order:
            start = time.perf_counter()
            function()
            pair[which] = time.perf_counter() - start
        times.append(pair)
    ratios = [a / b for a, b in times[3:]]
    low, median, high = statistics.quantiles(ratios, n=4)
    base_ms = statistics.median(b for _, b in times[3:]) * 1e3
    return dict(ratio=median, low=low, high=high, base_ms=base_ms)


def overhead(make: Callable[[], nn.Module], size: int, rounds: int) -> dict[str, float]:
    """Measure a ResNet-50 with the identity at the end of all 16 residual branches."""
    plain, inserted = make(), make()
    inserted.load_state_dict(plain.state_dict())
    mmdet_spatialattn.insert_attention(inserted, PLACES)
    plain.eval()
    inserted.eval()
    x = torch.rand(1, 3, size, size)
    with torch.inference_mode():
        return paired_ratio(lambda: inserted(x), lambda: plain(x), rounds)


def hook_time(calls: int = 2000, repeats: int = 20) -> float:
    """Return the seconds that one hook with its module adds to a call: the least of repeats.

    The share of a whole forward is smaller than a busy machine's noise; this is not.
    """
    plain, inserted = nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Sequential(nn.Conv2d(3, 4, 1))
    mmdet_spatialattn.insert_attention(inserted, [dict(cfg=dict(type=nn.Identity), at='0')])
    x = torch.rand(1, 3, 1, 1)
    with torch.inference_mode():
        least = [
            min(timeit.repeat(lambda model=model: model(x), number=calls, repeat=repeats)) / calls
            for model in (inserted, plain)
        ]
    return least[0] - least[1]


def build_time(rounds: int) -> dict[str, float]:
    """Measure building Faster R-CNN with CBAM in backbone and neck, audited, and without."""
    import tempfile
    from pathlib import Path

    from mmdet.registry import MODELS
    from mmengine.config import Config
    from mmengine.logging import MMLogger

    MMLogger.get_current_instance().setLevel('ERROR')
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, 'config.py')
        file.write_text(PARENT, encoding='utf-8')
        plain, attended = Config.fromfile(file), Config.fromfile(file)
    door = 'mmdet_spatialattn.WithAttention'
    stages = (False, True, True, True)
    backbone = [dict(cfg=CBAM, stages=stages, position='after_conv3')]
    neck = [dict(cfg=CBAM, position='output')]
    attended.merge_from_dict(
        dict(
            model=dict(
                backbone=dict(type=door, of='ResNet', attention=backbone),
                neck=dict(type=door, of='FPN', attention=neck),
            )
        )
    )

    def seconds(config: Config) -> float:
        start = time.perf_counter()
        MODELS.build(config.model)
        return time.perf_counter() - start

    seconds(plain)
    added = [seconds(attended) - seconds(plain) for _ in range(rounds)]
    return dict(added_s=statistics.median(added), largest_s=max(added))


def main(argv: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=224, help='side of the image')
    parser.add_argument('--rounds', type=int, default=40, help='number of pairs')
    parser.add_argument('--json', metavar='FILE', help='write the figures to FILE')
    args = parser.parse_args(argv)
    random.seed(0)

    from mmdet.models.backbones import ResNet

    figures = {
        'hooks (torchvision)': overhead(resnet50, args.size, args.rounds),
        'slots (mmdet)': overhead(lambda: ResNet(50), args.size, args.rounds),
        # the same twice: what this machine calls no difference
        'nothing': paired_ratio(*[_forward(resnet50().eval(), args.size)] * 2, args.rounds),
    }
    for name, f in figures.items():
        middle, low, high = (100 * (f[key] - 1) for key in ('ratio', 'low', 'high'))
        spread = f'middle half of the pairs {low:+.2f} to {high:+.2f}'
        print(f'{name:<20} {middle:+.2f} % of {f["base_ms"]:.1f} ms ({spread})')
    microseconds = hook_time() * 1e6
    share = 16 * microseconds / (1e3 * figures['hooks (torchvision)']['base_ms'])
    print(f'one hook             {microseconds:.1f} us; 16 of them are {100 * share:.3f} %')
    build = build_time(rounds=5)
    print(f'building Faster R-CNN +{build["added_s"]:.2f} s (largest {build["largest_s"]:.2f} s)')
    if args.json:
        write_json(
            args.json,
            dict(figures, hook_us=microseconds, build=build, size=args.size, rounds=args.rounds),
        )
    return 0


def _forward(model: nn.Module, size: int) -> Callable[[], Any]:
    x = torch.rand(1, 3, size, size)

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return run


if __name__ == '__main__':
    sys.exit(main())
