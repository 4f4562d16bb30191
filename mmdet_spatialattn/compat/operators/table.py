"""Which of mmcv's operators we have, what stands behind each, and how it differs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operator:
    """One operator of mmcv. All run on the CPU and on CUDA.

    Attributes:
        name: mmcv's name of the operator.
        module: Our module that implements it.
        functions: Names under which ``mmcv._ext`` holds it.
        source: 'torchvision' or 'torch'.
        differences: What a user of a compiled mmcv may notice, in Markdown.
    """

    name: str
    module: str
    functions: tuple[str, ...]
    source: str
    differences: str = ''

    @property
    def has_gradient(self) -> bool:
        """Whether there is a backward pass, in mmcv as here."""
        return any('_backward' in function for function in self.functions)


def _both(name: str) -> tuple[str, ...]:
    return (f'{name}_forward', f'{name}_backward')


OPERATORS = (
    Operator(
        'nms',
        'boxes',
        ('nms',),
        'torchvision',
        'Equal scores keep the order of the input; mmcv promises none.',
    ),
    Operator('softnms', 'boxes', ('softnms',), 'torch'),
    Operator(
        'nms_match',
        'boxes',
        ('nms_match',),
        'torch',
        'Equal scores keep the order of the input; mmcv promises none.',
    ),
    Operator('bbox_overlaps', 'boxes', ('bbox_overlaps',), 'torch'),
    Operator(
        'roi_align',
        'roi_align',
        _both('roi_align'),
        'torchvision',
        "`pool_mode='max'` is plain torch, and 0 in a region without area (mmcv: -10000). A region "
        'turned inside out is let through (mmcv raises on the CPU).',
    ),
    Operator(
        'roi_pool',
        'roi_pool',
        _both('roi_pool'),
        'torch',
        "Not torchvision's, which rounds boxes. A region turned inside out has no gradient (mmcv's "
        'goes to the first pixel).',
    ),
    Operator(
        'deform_roi_pool',
        'deform_roi_pool',
        _both('deform_roi_pool'),
        'torch',
        'The gradient by the offsets holds at the border of the map, too.',
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
        'An offset that is no number samples 0 and has no gradient (mmcv crashes in backward on '
        'the CPU).',
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
        'With class weights, background rows weigh 1 (mmcv reads past the weights).',
    ),
    Operator(
        'softmax_focal_loss',
        'focal_loss',
        _both('softmax_focal_loss'),
        'torch',
        'A target that is no class gives 0 (mmcv: if it is negative). Certain predictions have '
        'finite gradients for gamma below 1, too.',
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
        "As `carafe`. mmcv's Python asserts CUDA in backward.",
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
        'On the CPU, too, in a process group of gloo.',
    ),
    Operator('get_compiler_version', 'info', ('get_compiler_version',), 'torch', 'There is none.'),
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
