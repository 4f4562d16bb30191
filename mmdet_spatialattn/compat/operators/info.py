"""What mmcv asks of its compiled module about itself."""


def get_compiler_version() -> str:
    """Return the compiler's name: there is none."""
    return 'none (operators of mmdet_spatialattn)'


def get_compiling_cuda_version() -> str:
    """Return the CUDA version at compilation, in mmcv's words for a build without CUDA."""
    return 'not available'
