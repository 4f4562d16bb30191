"""The configs of attention: complete, named for what they hold, and listed with their results."""

import pytest
import yaml
from mmengine.config import Config

SETS = {
    'se': 'SE',
    'eca': 'ECA',
    'cbam': 'CBAM',
    'coord_attention': 'CoordAttention',
    'simam': 'SimAM',
    'global_context': 'GlobalContext',
    'spatial_gate': 'SpatialGate',
    'learn_to_pay_attention': 'LearnToPayAttention',
    'capacity_control': 'CapacityControl',
}
OTHERS = ('mask-rcnn', 'cascade-rcnn', 'fcos', 'atss', 'rtmdet', 'yolox', 'dino')


def parts_with_attention(path):
    """Return the attention's type by part of the detector, as the config's own keys say."""
    model = Config.fromfile(path).model
    return {
        part: {entry['cfg']['type'] for entry in model[part]['attention']}
        for part in ('backbone', 'neck')
        if model[part]['type'] == 'mmdet_spatialattn.WithAttention'
    }


@pytest.mark.parametrize('folder', SETS)
def test_a_set_is_complete_and_its_names_are_true(repository, folder):
    paths = sorted((repository / 'configs' / folder).glob('*.py'))
    for detector in ('faster-rcnn_r50', 'retinanet_r50'):
        names = set()
        for path in paths:
            if path.name.startswith(detector):
                parts = parts_with_attention(path)
                assert all(types == {SETS[folder]} for types in parts.values())
                # in the name, a module follows the part that it sits in
                _, backbone, neck, *_ = path.stem.split('_')
                assert ('-' in backbone, '-' in neck) == ('backbone' in parts, 'neck' in parts)
                names.add(tuple(parts))
        neck_only = {('neck',)}  # guided attention takes its guide from the neck's input
        everywhere = {('backbone',), ('neck',), ('backbone', 'neck')}
        assert names == (neck_only if folder == 'learn_to_pay_attention' else everywhere)


@pytest.mark.parametrize('detector', OTHERS)
def test_every_other_detector_has_attention_in_backbone_and_neck(repository, detector):
    paths = (repository / 'configs/cbam').glob(f'{detector}*.py')
    assert {tuple(parts_with_attention(path)) for path in paths} == {('backbone',), ('neck',)}


@pytest.mark.parametrize('folder', SETS)
def test_every_config_has_its_place_for_a_result(repository, folder):
    models = yaml.safe_load((repository / 'configs' / folder / 'metafile.yml').read_text())[
        'Models'
    ]
    assert sorted(model['Config'] for model in models) == sorted(
        path.relative_to(repository).as_posix()
        for path in (repository / 'configs' / folder).glob('*.py')
    )
    for model in models:
        assert 'Results' in model
        assert model['Config'].endswith(f'/{model["Name"]}.py')
