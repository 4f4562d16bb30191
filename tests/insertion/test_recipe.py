"""The optimiser's recipe: which parameter gets which rate and decay."""

from pathlib import Path

import mmdet
import pytest
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from mmdet_spatialattn.insertion import attention_paramwise, insert_attention
from mmdet_spatialattn.insertion.sites import attention_sites

from .common import RESNET18, build, entry


def groups(paramwise, **keys):
    """Return (rate, decay) by name of parameter, for a ResNet with two kinds of attention."""
    model = build([entry('after_conv2', shared=False), entry('stem')], **RESNET18)
    cfg = dict(optimizer=dict(type='SGD', lr=0.1, weight_decay=0.01), paramwise_cfg=paramwise)
    return settings_of(model, dict(cfg, **keys))


def settings_of(model, optim_wrapper):
    """Return (rate, decay) by name of each trained parameter."""
    wrapper = build_optim_wrapper(model, optim_wrapper)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    settings = {
        names[id(parameter)]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }
    assert set(settings) >= {n for n, p in model.named_parameters() if p.requires_grad}
    return settings


def test_alpha_has_no_decay_and_attention_a_rate_of_its_own():
    for name, setting in groups(attention_paramwise(lr_mult=5.0, alpha_lr_mult=50.0)).items():
        if name.endswith('spatialattn.alpha'):
            assert setting == (5.0, 0.0)
        elif 'spatialattn' in name:
            assert setting == (0.5, 0.01)
        else:
            assert setting == (0.1, 0.01)


def test_alpha_learns_twenty_times_as_fast_as_stated():
    settings = groups(attention_paramwise())
    alphas = {name for name in settings if name.endswith('.alpha')}
    assert len(alphas) == 8 + 1
    assert {settings[name] for name in alphas} == {(2.0, 0.0)}
    assert {settings[name] for name in settings.keys() - alphas} == {(0.1, 0.01)}


@pytest.mark.parametrize(
    'detector',
    [
        'retinanet/retinanet_r18_fpn_1x_coco.py',
        'dino/dino-4scale_r50_8xb2-12e_coco.py',
        'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py',
        'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    ],
)
def test_the_keys_hit_the_inserted_attention_and_nothing_else(detector):
    """Of detectors whose own recipes have keys for backbones, norms and embeddings."""
    config = Config.fromfile(Path(mmdet.__file__).parent / '.mim' / 'configs' / detector)
    config.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
        plain_keys = config.optim_wrapper.get('paramwise_cfg', {})
        wrapper = dict(optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.01))
        before = settings_of(model, dict(wrapper, paramwise_cfg=plain_keys))
        entries = [dict(cfg=dict(type='SE', identity_init=True), position='input')]
        insert_attention(model.backbone, entries)
        insert_attention(model.neck, [dict(entries[0], position='output')])
        after = settings_of(model, dict(wrapper, paramwise_cfg=attention_paramwise(**plain_keys)))
    attention = {name for name in after if 'spatialattn' in name}
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {n: after[n] for n in trained - attention} == {n: before[n] for n in trained - attention}
    inserted = {name for site in attention_sites(model) for name in after if name.startswith(site)}
    assert attention == inserted
    alphas = {name for name in attention if name.endswith('spatialattn.alpha')}
    assert len(alphas) == len(attention_sites(model)) > 3
    assert {after[name] for name in alphas} == {(2.0, 0.0)}
    assert {after[name] for name in attention - alphas} == {(0.1, 0.01)}


def test_it_joins_the_keys_of_the_detector_and_comes_before_shorter_ones():
    paramwise = attention_paramwise(custom_keys={'layer1': dict(lr_mult=0.1)}, norm_decay_mult=0.0)
    rates = groups(paramwise)
    assert rates['layer1.0.conv1.weight'] == pytest.approx((0.01, 0.01))
    assert rates['layer1.0.bn2.weight'] == pytest.approx((0.01, 0.01))
    assert rates['layer2.0.bn2.weight'] == (0.1, 0.0)
    assert rates['layer1.0.bn2.spatialattn.channel.mlp.0.weight'] == (0.1, 0.01)


def test_the_config_base_is_the_same_recipe(repository, tmp_path):
    base = repository / 'configs/_base_/attention_paramwise.py'
    assert Config.fromfile(base).attention_paramwise == attention_paramwise()
    child = tmp_path / 'child.py'
    child.write_text(
        f"_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', '{base}']\n"
        'optim_wrapper = dict(paramwise_cfg=_base_.attention_paramwise)\n'
    )
    config = Config.fromfile(child)
    assert config.optim_wrapper.paramwise_cfg == attention_paramwise()
    assert config.optim_wrapper.optimizer.type == 'SGD'


def test_shared_weights_are_optimised_once():
    neck = dict(of='FPN', in_channels=[8, 16], out_channels=12, num_outs=2)
    model = build([entry('output', shared=True)], **neck)
    cfg = dict(
        optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1), paramwise_cfg=attention_paramwise()
    )
    parameters = [
        p for g in build_optim_wrapper(model, cfg).optimizer.param_groups for p in g['params']
    ]
    assert len(parameters) == len(set(map(id, parameters))) == len(list(model.parameters()))
