"""``insert_attention`` on torchvision's and timm's models: exact identity, training, removal."""

import pytest
import timm
import torch
import torchvision
from torch.utils._pytree import tree_leaves
from torchvision.models import detection

from mmdet_spatialattn import insert_attention
from mmdet_spatialattn.insertion import remove_attention

IMAGE = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
CFG = dict(type='CBAM', identity_init=True, norm_cfg=None)
GUIDED = dict(type='AttentionGate', identity_init=True)
SMALL = dict(weights=None, weights_backbone=None, min_size=64, max_size=96, num_classes=3)
FROM_3 = (False, False, True, True)
MODELS = {
    'torchvision resnet50': (
        torchvision.models.resnet50,
        [
            dict(cfg=CFG, position='after_conv3', stages=FROM_3),
            dict(cfg=CFG, position='stem'),
            dict(cfg=CFG, at=r'layer[34]\.0\.conv2', before=True),
        ],
        6 + 3 + 1 + 2,
    ),
    'torchvision fasterrcnn_resnet50_fpn': (
        lambda: detection.fasterrcnn_resnet50_fpn(**SMALL),
        [
            dict(cfg=CFG, position='after_conv3', stages=FROM_3, blocks='last'),
            dict(cfg=GUIDED, position='lateral', guide='top'),
            dict(cfg=CFG, position='merge'),
            dict(cfg=CFG, position='output', shared=True),
            dict(cfg=CFG, at=r'rpn\.head\.conv'),
        ],
        2 + 4 + 4 + 5 + 1,
    ),
    'torchvision retinanet_resnet50_fpn': (
        lambda: detection.retinanet_resnet50_fpn(**SMALL),
        [dict(cfg=CFG, position='after_stage'), dict(cfg=CFG, position='output')],
        4 + 5,
    ),
    'timm resnet50': (
        lambda: timm.create_model('resnet50'),
        [
            dict(cfg=CFG, position=position, blocks='last')
            for position in ('after_conv1', 'after_conv2', 'after_conv3', 'after_add')
        ],
        4 * 4,
    ),
    'timm convnext_tiny': (
        lambda: timm.create_model('convnext_tiny'),
        [dict(cfg=CFG, at=r'stages\.\d'), dict(cfg=CFG, at=r'stages\.3\.blocks\.\d\.conv_dw')],
        4 + 3,
    ),
}


def is_detector(name):
    return 'rcnn' in name or 'retinanet' in name


def loss(model, name):
    if not is_detector(name):
        return model(IMAGE).square().mean()
    box = dict(boxes=torch.tensor([[4.0, 4, 40, 40]]), labels=torch.tensor([1]))
    return sum(model(list(IMAGE), [box] * 2).values())


@pytest.mark.parametrize('name', MODELS)
def test_a_model_of_another_library(name):
    make, entries, places = MODELS[name]
    torch.manual_seed(0)
    model = make().eval()
    x = list(IMAGE) if is_detector(name) else IMAGE
    keys = list(model.state_dict())
    before = tree_leaves(model(x))
    report = insert_attention(model, entries, example=(x,))
    assert sum(row.places for row in report) == places
    assert all(row.map is not None and row.change == 0 for row in report)
    assert all(torch.equal(a, b) for a, b in zip(before, tree_leaves(model(x))))
    loss(model.train(), name).backward()
    alphas = [p for key, p in model.named_parameters() if key.endswith('spatialattn.alpha')]
    assert alphas and all(alpha.grad is not None and alpha.grad.isfinite() for alpha in alphas)
    assert any(alpha.grad != 0 for alpha in alphas)
    assert remove_attention(model) == places
    assert list(model.state_dict()) == keys


def test_the_module_takes_the_precision_of_its_surroundings():
    model = torchvision.models.resnet18().double()
    insert_attention(model, [dict(cfg=CFG, position='after_conv2')])
    assert model(IMAGE.double()).dtype == torch.float64
