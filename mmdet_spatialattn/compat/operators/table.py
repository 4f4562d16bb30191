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
        differences: What a user of a compiled mmcv may notice, in Markdown.
    """

    name: str
    module: str
    functions: tuple[str, ...]
    source: str
    differences: str = ''


def _both(name: str) -> tuple[str, ...]:
    return (f'{name}_forward', f'{name}_backward')


OPERATORS = (
    Operator('nms', 'boxes', ('nms',), 'torchvision'),
    Operator('softnms', 'boxes', ('softnms',), 'torch'),
    Operator('nms_match', 'boxes', ('nms_match',), 'torch'),
    Operator('bbox_overlaps', 'boxes', ('bbox_overlaps',), 'torch'),
    Operator('roi_align', 'roi_align', _both('roi_align'), 'torchvision'),
    Operator('roi_pool', 'roi_pool', _both('roi_pool'), 'torch'),
    Operator('deform_roi_pool', 'deform_roi_pool', _both('deform_roi_pool'), 'torch'),
    Operator(
        'deform_conv',
        'deform_conv',
        (
            'deform_conv_forward',
            'deform_conv_backward_input',
            'deform_conv_backward_parameters',
        ),
        'torchvision',
    ),
    Operator('modulated_deform_conv', 'deform_conv', _both('modulated_deform_conv'), 'torchvision'),
    Operator('sigmoid_focal_loss', 'focal_loss', _both('sigmoid_focal_loss'), 'torch'),
    Operator('softmax_focal_loss', 'focal_loss', _both('softmax_focal_loss'), 'torch'),
    Operator('ms_deform_attn', 'ms_deform_attn', _both('ms_deform_attn'), 'torch'),
    Operator('masked_im2col', 'masked_conv', ('masked_im2col_forward',), 'torch'),
    Operator('masked_col2im', 'masked_conv', ('masked_col2im_forward',), 'torch'),
    Operator('carafe', 'carafe', _both('carafe'), 'torch'),
    Operator('carafe_naive', 'carafe', _both('carafe_naive'), 'torch'),
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
    ),
    Operator('get_compiler_version', 'info', ('get_compiler_version',), 'torch'),
    Operator('get_compiling_cuda_version', 'info', ('get_compiling_cuda_version',), 'torch'),
)
