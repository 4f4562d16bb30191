"""Run in a process of its own: compare the kernels in Triton's interpreter with the reference."""

import os

os.environ['TRITON_INTERPRET'] = '1'  # read when triton is imported

import torch

from mmdet_spatialattn.attention.fused import triton_kernels

from .cases import LAYOUTS, assert_equal_to_reference, calls, sample

triton_kernels.TILE = 64  # several blocks of channels and of positions in a small map
triton_kernels.PROGRAMS = 4

if __name__ == '__main__':
    count = 0
    for size, layout, dtype in (
        ((2, 5, 3, 7), LAYOUTS[0], torch.float32),
        ((2, 5, 3, 7), LAYOUTS[1], torch.float32),
        ((1, 3, 5, 9), LAYOUTS[1], torch.bfloat16),
        ((1, 3, 5, 9), LAYOUTS[0], torch.float16),
        ((1, 1, 1, 1), LAYOUTS[0], torch.float32),
    ):
        for name, arguments in calls(*sample(size, layout, dtype)):
            assert_equal_to_reference(triton_kernels, name, arguments)
            count += 1
    print(count)
