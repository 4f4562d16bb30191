"""The optimiser's recipe: which parameter gets which rate and decay."""

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmdet_spatialattn.insertion import attention_paramwise

from .common import RESNET18, build, entry


def groups(paramwise, **keys):
    """Return (rate, decay) by name of parameter, for a ResNet with two kinds of attention."""
    model = build([entry('after_conv2', shared=False), entry('stem')], **RESNET18)
    cfg = dict(optimizer=dict(type='SGD', lr=0.1, weight_decay=0.01), paramwise_cfg=paramwise)
    wrapper = build_optim_wrapper(model, dict(cfg, **keys))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {
        names[id(parameter)]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }
    assert set(found) == set(names.values())
    return found


def test_alpha_has_no_decay_and_attention_a_rate_of_its_own():
    for name, setting in groups(attention_paramwise(lr_mult=5.0)).items():
        if name.endswith('spatialattn.alpha'):
            assert setting == (0.5, 0.0)
        elif 'spatialattn' in name:
            assert setting == (0.5, 0.01)
        else:
            assert setting == (0.1, 0.01)


def test_it_joins_the_keys_of_the_detector_and_comes_before_shorter_ones():
    paramwise = attention_paramwise(custom_keys={'layer1': dict(lr_mult=0.1)}, norm_decay_mult=0.0)
    found = groups(paramwise)
    assert found['layer1.0.conv1.weight'] == pytest.approx((0.01, 0.01))
    assert found['layer1.0.bn2.weight'] == pytest.approx((0.01, 0.01))
    assert found['layer2.0.bn2.weight'] == (0.1, 0.0)
    assert found['layer1.0.bn2.spatialattn.channel.mlp.0.weight'] == (0.1, 0.01)


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
