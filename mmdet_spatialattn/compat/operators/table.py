"""Which of mmcv's operators we have, what stands behind each, and how it differs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operator:
    """One operator of mmcv.

    Attributes:
        name: mmcv's name of the operator.
        module: Our module that implements it.
        functions: Names under which ``mmcv._ext`` holds it.
        source: 'torchvision' or 'torch'.
    """

    name: str
    module: str
    functions: tuple[str, ...]
    source: str


OPERATORS = (
    Operator('nms', 'boxes', ('nms',), 'torchvision'),
    Operator('roi_align', 'roi', ('roi_align_forward', 'roi_align_backward'), 'torchvision'),
    Operator(
        'build information', 'info', ('get_compiler_version', 'get_compiling_cuda_version'), 'torch'
    ),
)
