"""Run in a process with ``TRITON_INTERPRET=1``: compare the kernels with the reference."""

import torch

from .cases import LAYOUTS, assert_equal_to_reference, calls, sample


def main() -> None:
    from mmdet_spatialattn.attention.fused import triton_kernels

    triton_kernels.TILE = 64  # several blocks of channels and of positions in a small map
    triton_kernels.PROGRAMS = 4
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


if __name__ == '__main__':
    main()
