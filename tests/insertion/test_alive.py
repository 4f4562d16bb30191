"""Attention lives: after the host's ``init_weights()`` it is as it was built, and it learns.

Everywhere that attention can sit, every parameter of it has a gradient within five steps on random
data (but for those in WITHOUT_EFFECT), its gates are not saturated, and its values are distributed
as those of modules that were built by themselves.
"""

import itertools
import re

import pytest
import timm
import torch
import torchvision
from mmdet.registry import MODELS
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only
from torchvision.models import detection

from mmdet_spatialattn import build_attention, insert_attention, list_attention
from mmdet_spatialattn.insertion.health import measure_health
from mmdet_spatialattn.insertion.sites import attention_sites

from ..attention.samples import ARGUMENTS
from .common import build, maps
from .test_hosts import BACKBONES, NECKS

STEPS = 5
RECORDS = {record.name: record for record in list_attention()}
WITHOUT_EFFECT = {
    ('BAM', 'channel.0.bias'): 'the BatchNorm behind it subtracts it with the mean',
}
"""Parameters that never have a gradient, and why that is right."""


def cfg_of(name: str, identity: bool) -> dict:
    """Return the config of a module for few channels.

    A bottleneck keeps at least eight units: of two, both may be dead by chance.
    """
    cfg = dict(type=name, identity_init=identity, **ARGUMENTS.get(name, {}))
    return dict(cfg, reduction=4) if 'reduction' in RECORDS[name].arguments() else cfg


# The three promises


def without_gradient(model: nn.Module, loss, parameters: dict[str, Tensor]) -> set[str]:
    """Return the names of the parameters without a gradient in STEPS steps."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    missing = set(parameters)
    for step in range(STEPS):
        optimiser.zero_grad()
        torch.manual_seed(100 + step)
        loss(model).backward()
        missing -= {
            name
            for name in missing
            if parameters[name].grad is not None and parameters[name].grad.abs().max() > 0
        }
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if not missing:
            break
    return missing


def check_alive(model: nn.Module, cfgs: tuple, loss, example) -> None:
    """Check the promises for all attention, of some configs, in a model that is initialised."""
    sites = attention_sites(model)
    assert sites
    for cfg in cfgs:
        kind = [site.module for site in sites.values() if type(site.module).__name__ == cfg['type']]
        check_distribution(kind, cfg)
    parameters = {
        f'{path}.{name}': parameter
        for path, site in sites.items()
        for name, parameter in site.module.named_parameters()
        if (type(site.module).__name__, name) not in WITHOUT_EFFECT
    }
    assert all(parameter.requires_grad for parameter in parameters.values())
    model.train()
    assert without_gradient(model, loss, parameters) == set()
    health = measure_health(model, None, [example], forward=lambda model, x: model(x))
    assert all((module.saturated or 0) < 0.5 for module in health.modules), str(health)


def check_distribution(modules: list, cfg: dict) -> None:
    """Check that modules have the moments of modules of the same width that were built alone."""
    widths: dict[tuple, list] = {}
    for module in modules:
        guide = dict(guide_channels=module.guide_channels) if 'guide' in module.family else {}
        widths.setdefault((module.in_channels, *guide.items()), []).append(module)
    arguments = {key: value for key, value in cfg.items() if key != 'type'}
    for (channels, *guide), group in widths.items():
        torch.manual_seed(1)
        fresh = [
            build_attention(cfg['type'], channels, **arguments, **dict(guide)) for _ in range(8)
        ]
        for name, _ in fresh[0].named_parameters():
            assert alike(values(group, name), values(fresh, name)), name


def values(modules: list, name: str) -> Tensor:
    return torch.stack([module.get_parameter(name).detach() for module in modules]).double()


def alike(sample: Tensor, reference: Tensor) -> bool:
    """Return whether the means and deviations of two samples differ by chance (five sigma)."""
    if not float(reference.std(0).max()):
        return all(torch.equal(sampled, reference[0]) for sampled in sample)
    deviation = float(reference.std())
    error = 5 * (1 / sample.numel() + 1 / reference.numel()) ** 0.5
    if abs(float(sample.mean() - reference.mean())) > error * deviation:
        return False
    return sample.numel() < 30 or abs(float(sample.std()) / deviation - 1) < error


def on_random(example):
    """Return the loss of a model on random inputs like the example, of varied mean."""

    def loss(model: nn.Module) -> Tensor:
        outputs = tree_leaves(model(tree_map_only(Tensor, random_like, example)))
        return sum((output * torch.randn_like(output)).mean() for output in outputs)

    return loss


def random_like(x: Tensor) -> Tensor:
    return torch.randn_like(x) + 3 * torch.randn(*x.shape[:2], 1, 1)


# Every module in every kind of place


TWO_STAGES = dict(
    num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1), norm_eval=False
)
SECOND = (False, True)
IMAGES = torch.rand(2, 3, 64, 64)


def below_the_last_norm(cfg):
    """``after_conv2`` of a basic block: a child of the norm that the host sets to zero."""
    entry = dict(cfg=cfg, position='after_conv2', stages=SECOND)
    return build([entry], of='ResNet', depth=18, base_channels=16, **TWO_STAGES), IMAGES


def in_a_slot(cfg):
    entry = dict(cfg=cfg, position='after_conv3', stages=SECOND)
    return build([entry], of='ResNet', depth=50, base_channels=4, **TWO_STAGES), IMAGES


def native_plugin(cfg):
    cfg = dict(cfg, type=f'mmdet_spatialattn.{cfg["type"]}')
    plugins = [dict(cfg=cfg, position='after_conv3', stages=SECOND)]
    host = dict(type='ResNet', depth=50, base_channels=4, plugins=plugins)
    return MODELS.build(dict(host, **TWO_STAGES)), IMAGES


def output_of_a_pyramid(cfg):
    host = dict(of='FPN', in_channels=[16, 32], out_channels=32, num_outs=3)
    return build([dict(cfg=cfg, position='output')], **host), maps([16, 32])


def in_a_head(cfg):
    host = dict(of='RetinaHead', num_classes=3, in_channels=16, feat_channels=32, stacked_convs=2)
    return build([dict(cfg=cfg, at=r'(cls|reg)_convs\.\d')], **host), maps([16] * 5)


def guided_lateral(cfg):
    host = dict(of='FPN', in_channels=[16, 32], out_channels=32, num_outs=3)
    return build([dict(cfg=cfg, position='lateral', guide='top')], **host), maps([16, 32])


KINDS = (below_the_last_norm, in_a_slot, native_plugin, output_of_a_pyramid, in_a_head)
PLACED = [
    (name, kind)
    for name, record in RECORDS.items()
    for kind in ((guided_lateral,) if record.guided else KINDS)
]


@pytest.mark.parametrize('identity', [True, False], ids=['identity', 'bare'])
@pytest.mark.parametrize(('name', 'kind'), PLACED, ids=lambda v: getattr(v, '__name__', v))
def test_every_module_lives_in_every_kind_of_place(name, kind, identity):
    torch.manual_seed(0)
    cfg = cfg_of(name, identity)
    model, example = kind(cfg)
    model.init_weights()
    if not any(list(site.module.parameters()) for site in attention_sites(model).values()):
        return  # nothing to initialise or to learn
    check_alive(model, (cfg,), on_random(example), example)


# Every place of every host


CBAM = dict(type='CBAM', identity_init=True, reduction=1)
SE = dict(type='SE', identity_init=False, reduction=1)
CONTROL = dict(type='CapacityControl', like=dict(type='CBAM', reduction=1))
GUIDED = dict(type='LearnToPayAttention', identity_init=True)
ROTATED = [(CBAM, SE, CONTROL), (SE, CONTROL, CBAM)]
"""Which modules take turns at the placements of a host."""


def check_alive_everywhere(host: dict, placements, cfgs: tuple, example) -> None:
    """Check a host with attention at each of its placements, in the last block of each stage."""
    torch.manual_seed(0)
    entries = []
    for position, cfg in zip(placements, itertools.cycle(cfgs)):
        in_block = re.fullmatch(r'after_(conv\d|add)', position)
        keys = dict(blocks='last') if in_block else {}
        entries.append(dict(cfg=cfg, position=position, **keys))
    if cfgs == (GUIDED,):
        entries = [dict(entry, guide='top') for entry in entries]
    model = build(entries, **host)
    model.init_weights()
    for module in model.modules():
        if type(module).__name__ == 'TridentConv':  # MMDetection leaves its memory as it finds it
            nn.init.kaiming_normal_(module.weight)
    assert {site.position for site in attention_sites(model).values()} == set(placements)
    check_alive(model, cfgs, on_random(example), example)


@pytest.mark.parametrize('cfgs', ROTATED, ids=['first', 'second'])
@pytest.mark.parametrize('name', BACKBONES)
def test_attention_lives_everywhere_in_a_backbone(name, cfgs):
    host, placements = BACKBONES[name]
    check_alive_everywhere(host, placements, cfgs, IMAGES)


@pytest.mark.parametrize('cfgs', [*ROTATED, (GUIDED,)], ids=['first', 'second', 'guided'])
@pytest.mark.parametrize('name', NECKS)
def test_attention_lives_everywhere_in_a_neck(name, cfgs):
    host, placements = NECKS[name]
    channels = [12] * 3 if name == 'bfp' else host['in_channels']
    check_alive_everywhere(host, placements, cfgs, maps(channels))


# Models of other libraries


SMALL = dict(weights=None, weights_backbone=None, min_size=64, max_size=64, num_classes=3)
FROM_3 = (False, False, True, True)


OTHERS = {
    'torchvision resnet18': (
        torchvision.models.resnet18,
        [dict(position='after_conv2'), dict(position='stem'), dict(at=r'layer\d')],
    ),
    'torchvision retinanet_resnet50_fpn': (
        lambda: detection.retinanet_resnet50_fpn(**SMALL),
        [
            dict(position='after_conv3', stages=FROM_3, blocks='last'),
            dict(position='output'),
            dict(at=r'head\..*_head\.conv\.0'),
        ],
    ),
    'torchvision convnext_tiny': (
        torchvision.models.convnext_tiny,
        [dict(at=r'features\.[1357]'), dict(at=r'features\.7\.\d\.block\.0')],
    ),
    'timm resnet18': (
        lambda: timm.create_model('resnet18', zero_init_last=True),
        [dict(position='after_conv2'), dict(position='after_add', blocks='last')],
    ),
    'timm convnext_atto': (
        lambda: timm.create_model('convnext_atto'),
        [dict(at=r'stages\.\d'), dict(at=r'stages\.3\.blocks\.\d\.conv_dw')],
    ),
}


@pytest.mark.parametrize('cfg', [CBAM, SE, CONTROL], ids=['CBAM', 'SE', 'CapacityControl'])
@pytest.mark.parametrize('name', OTHERS)
def test_attention_lives_in_models_of_other_libraries(name, cfg):
    make, places = OTHERS[name]
    torch.manual_seed(0)
    model = make()
    is_detector = isinstance(model, detection.RetinaNet)
    example = list(IMAGES) if is_detector else IMAGES
    insert_attention(model, [dict(place, cfg=cfg) for place in places], example=(example,))
    check_alive(model, (cfg,), detection_loss if is_detector else on_random(IMAGES), example)


def detection_loss(model: nn.Module) -> Tensor:
    box = dict(boxes=torch.tensor([[4.0, 4, 40, 40]]), labels=torch.tensor([1]))
    return sum(model(list(torch.rand_like(IMAGES)), [box] * 2).values())
