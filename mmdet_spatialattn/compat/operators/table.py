"""The operators of mmcv that are provided, their implementations, and their differences."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operator:
    """One operator of mmcv; all run on the CPU and on CUDA.

    Attributes:
        name: mmcv's name of the operator.
        module: Module of this package that implements it.
        functions: Names of its functions in ``mmcv._ext``.
        source: ``'torchvision'`` or ``'torch'``, on which it is built.
        differences: Differences from a compiled mmcv that a user may notice, in Markdown.
    """

    name: str
    module: str
    functions: tuple[str, ...]
    source: str
    differences: str = ''

    @property
    def has_gradient(self) -> bool:
        """Whether the operator has a backward pass."""
        return any('_backward' in function for function in self.functions)


def _both(name: str) -> tuple[str, ...]:
    return (f'{name}_forward', f'{name}_backward')


OPERATORS = (
    Operator(
        'nms',
        'boxes',
        ('nms',),
        'torchvision',
        'Equal scores keep the order of the input; mmcv guarantees none.',
    ),
    Operator('softnms', 'boxes', ('softnms',), 'torch'),
    Operator(
        'nms_match',
        'boxes',
        ('nms_match',),
        'torch',
        'Equal scores keep the order of the input; mmcv guarantees none.',
    ),
    Operator('bbox_overlaps', 'boxes', ('bbox_overlaps',), 'torch'),
    Operator(
        'roi_align',
        'roi_align',
        _both('roi_align'),
        'torchvision',
        "`pool_mode='max'` is plain torch, and 0 in a region without area (mmcv: -10000). A region "
        'of negative size is accepted (mmcv raises an error on the CPU).',
    ),
    Operator(
        'roi_pool',
        'roi_pool',
        _both('roi_pool'),
        'torch',
        "Not torchvision's, which rounds boxes. A region of negative size has no gradient (mmcv's "
        'goes to the first pixel).',
    ),
    Operator(
        'deform_roi_pool',
        'deform_roi_pool',
        _both('deform_roi_pool'),
        'torch',
        'The gradient of the offsets is correct at the border of the map, too.',
    ),
    Operator(
        'deform_conv',
        'deform_conv',
        (
            'deform_conv_forward',
            'deform_conv_backward_input',
            'deform_conv_backward_parameters',
        ),
        'torchvision',
        'An offset of NaN samples 0 and has no gradient (mmcv crashes in the backward pass on the '
        'CPU).',
    ),
    Operator(
        'modulated_deform_conv',
        'deform_conv',
        _both('modulated_deform_conv'),
        'torchvision',
        'As `deform_conv`. Offsets smaller than the output are refused (mmcv reads past them).',
    ),
    Operator(
        'sigmoid_focal_loss',
        'focal_loss',
        _both('sigmoid_focal_loss'),
        'torch',
        'With class weights, background rows have weight 1 (mmcv reads past the weights).',
    ),
    Operator(
        'softmax_focal_loss',
        'focal_loss',
        _both('softmax_focal_loss'),
        'torch',
        'A target that is not a class gives 0 (mmcv: only a negative one). Predictions of '
        'probability 1 have finite gradients also for gamma below 1.',
    ),
    Operator(
        'ms_deform_attn',
        'ms_deform_attn',
        _both('ms_deform_attn'),
        'torch',
        'Holds all samples in memory at once.',
    ),
    Operator('masked_im2col', 'masked_conv', ('masked_im2col_forward',), 'torch'),
    Operator('masked_col2im', 'masked_conv', ('masked_col2im_forward',), 'torch'),
    Operator('carafe', 'carafe', _both('carafe'), 'torch', 'Holds all windows in memory at once.'),
    Operator(
        'carafe_naive',
        'carafe',
        _both('carafe_naive'),
        'torch',
        "As `carafe`. mmcv's Python code asserts CUDA in the backward pass.",
    ),
    Operator(
        'sync_bn',
        'sync_bn',
        (
            'sync_bn_forward_mean',
            'sync_bn_forward_var',
            'sync_bn_forward_output',
            'sync_bn_backward_param',
            'sync_bn_backward_data',
        ),
        'torch',
        'Also on the CPU, in a process group of gloo.',
    ),
    Operator(
        'get_compiler_version', 'info', ('get_compiler_version',), 'torch', 'Names no compiler.'
    ),
    Operator(
        'get_compiling_cuda_version',
        'info',
        ('get_compiling_cuda_version',),
        'torch',
        '"not available", as in an mmcv without CUDA.',
    ),
)


def markdown() -> str:
    """Return the operators as a table."""
    lines = ['| operator | on | gradient | differs from a compiled mmcv |', '|---|---|---|---|']
    for operator in OPERATORS:
        gradient = 'yes' if operator.has_gradient else '-'
        lines.append(
            f'| `{operator.name}` | {operator.source} | {gradient} | {operator.differences} |'
        )
    return '\n'.join(lines)
