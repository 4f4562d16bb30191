"""Versions that mmcv reads from its compiled module."""


def get_compiler_version() -> str:
    """Return the name of the compiler, of which there is none."""
    return 'none (operators of mmdet_spatialattn)'


def get_compiling_cuda_version() -> str:
    """Return the CUDA version of the build, as an mmcv without CUDA gives it."""
    return 'not available'
