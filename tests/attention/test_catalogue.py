"""The list of modules: what it counts and measures, and building by name."""

import pytest
import torch

from mmdet_spatialattn import build_attention, list_attention
from mmdet_spatialattn.attention import SpatialAttention
from mmdet_spatialattn.attention.catalogue import FAMILIES, attention_table
from mmdet_spatialattn.attention.initial_effect import initial_effect
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.registry import MODELS
from mmdet_spatialattn.results.initial_effect import InitialEffect

RECORDS = {record.name: record for record in list_attention()}


def test_parameters_are_counted_by_the_papers_formulas():
    c, r = 256, 16
    assert RECORDS['SE'].parameters(c) == 2 * c * c // r + c // r + c
    assert RECORDS['ECA'].parameters(c) == 5
    assert RECORDS['EffectiveSE'].parameters(c) == c * c + c
    assert RECORDS['SimAM'].parameters(c) == 0
    assert RECORDS['CBAMSpatialGate'].parameters(c) == 2 * 7 * 7 + 2
    assert RECORDS['GCT'].parameters(64) == 3 * 64


def test_counting_takes_no_random_numbers():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    for record in list_attention():
        record.parameters()
        record.initial_effect()
    assert torch.equal(torch.rand(3), expected)


def test_the_initial_effect_is_measured():
    assert str(RECORDS['GCT'].initial_effect()) == 'identity'
    assert str(RECORDS['SGE'].initial_effect()) == 'x 0.73'  # sigmoid(1)
    assert str(RECORDS['SE'].initial_effect()) == 'x 0.50'


def test_factor_and_change_are_those_of_the_output():
    class Part(torch.nn.Module):
        def forward(self, x):
            return torch.cat([3 * x[:, :1], torch.zeros_like(x[:, 1:])], 1)

    effect = initial_effect(Part(), 2)
    x = torch.randn(2, 2, 16, 20, generator=torch.Generator().manual_seed(0)).double()
    share = float(x[:, 0].square().sum() / x.square().sum())
    assert effect.factor == pytest.approx(3 * share)
    assert effect.change == pytest.approx((4 * share + 1 - share) ** 0.5)
    assert str(effect) == 'destroys'
    assert [str(InitialEffect(*pair)) for pair in ((1.0, 0.0), (2.0, 1.0), (0.5, 0.55))] == [
        'identity', 'x 2.00', 'x 0.50'
    ]  # fmt: skip


def test_an_effect_that_is_no_factor_destroys():
    @MODELS.register_module()
    class Shuffled(SpatialAttention):
        """Channels in reverse order."""

        family = 'channel'

        def attend(self, x):
            return x.flip(1)

    try:
        (record,) = [record for record in list_attention() if record.name == 'Shuffled']
        assert str(record.initial_effect()) == 'destroys'
        assert record.paper == '' and record.year == 0
    finally:
        MODELS.module_dict.pop('Shuffled')


def test_years_come_from_the_headers():
    assert RECORDS['CBAM'].year == 2018 and RECORDS['LSKA'].year == 2024
    assert RECORDS['CapacityControl'].year == 0
    assert all(2015 <= record.year <= 2030 for record in RECORDS.values() if record.year)
    assert all(record.paper for record in RECORDS.values())


def test_records_are_sorted_by_family_and_name():
    keys = [(FAMILIES.index(r.family), r.name.lower()) for r in list_attention()]
    assert keys == sorted(keys)


def test_arguments_are_those_of_the_class_and_of_the_base():
    arguments = RECORDS['CBAM'].arguments()
    assert arguments['reduction'] == 16 and arguments['identity_init'] is False
    assert 'in_channels' not in arguments and 'kwargs' not in arguments
    assert 'guide_channels' in RECORDS['AttentionGate'].arguments()


def test_the_table_has_a_row_per_module():
    rows = attention_table().splitlines()
    assert len(rows) == 2 + len(RECORDS)
    assert '| `CBAM` (2018) | channel+spatial | 8,564 | x 0.24 | O(HW) |' in rows


def test_modules_are_built_with_and_without_scope():
    for name in ('SE', 'mmdet_spatialattn.SE'):
        assert build_attention(name, 64, reduction=8).fc1.out_channels == 8


@pytest.mark.parametrize(
    'name, kwargs, message',
    [
        ('CBMA', {}, "unknown attention 'CBMA'; did you mean 'CBAM'?"),
        ('SE', dict(redution=4), "SE has no argument 'redution'; did you mean 'reduction'?"),
        ('SE', dict(in_channel=4), "SE has no argument 'in_channel'"),
        ('SE', dict(reduction=0), 'SE: reduction must be a positive integer, got 0'),
        ('SE', dict(reduction=1.5), 'SE: reduction must be a positive integer, got 1.5'),
        ('CBAM', dict(kernel_size=4), 'CBAMSpatialGate: kernel_size must be odd, got 4'),
        ('CBAM', dict(norm_cfg=dict(type='SyncBM')), "did you mean 'SyncBN'"),
        ('CBAM', dict(norm_cfg=dict(type='GN')), "makes no norm of 1 channels: .*'num_groups'"),
        ('StripPooling', dict(norm_cfg=dict(type='GN', num_groups=7)), 'divisible'),
        (
            'StripPooling',
            dict(norm_cfg='BN'),
            "norm_cfg must be None or a dict such as dict.type='BN'., got 'BN'",
        ),
        ('SGE', dict(groups=7), 'SGE: groups=7 does not divide in_channels=64; choose one of 1, 2'),
        ('SelfAttention2d', dict(num_heads=7), 'num_heads=7 does not divide in_channels=64'),
        ('SelfAttention2d', dict(window=0), 'window must be at least 1, got 0'),
        ('ECA', dict(kernel_size=4), 'ECA: kernel_size must be odd, got 4'),
        ('CAA', dict(kernel_size=10), 'CAA: kernel_size must be odd, got 10'),
        ('LSKA', dict(kernel_size=21), 'LSKA: kernel_size must be one of .*53.*, got 21'),
        ('FCA', dict(size=50), 'FCA: size must be a multiple of 7, got 50'),
        ('GatherExcite', dict(extent=3), r'extent must be one of \(0, 2, 4, 8\), got 3'),
        ('GatherExcite', dict(variant='theta--'), "got 'theta--'"),
        ('NAM', dict(norm_cfg=dict(type='IN')), 'NAM: norm_cfg must give a norm with scales'),
        ('SpatialGate', dict(pooling=('median',)), 'pooling must be one or both'),
        ('SpatialGate', dict(norm_cfg=dict(type='BN')), 'norm_cfg needs the learned convolution'),
        ('CapacityControl', dict(like='CBAM'), 'like must name a module'),
        ('CapacityControl', dict(like=dict(type='CBMA')), "unknown attention 'CBMA'"),
    ],
)
def test_mistakes_name_module_value_and_remedy(name, kwargs, message):
    with pytest.raises(UserError, match=message):
        build_attention(name, 64, **kwargs)


@pytest.mark.parametrize('name, channels', [('FCA', 40), ('LSK', 33), ('SGE', 100)])
def test_channels_that_do_not_fit_are_refused_with_the_way_out(name, channels):
    with pytest.raises(UserError, match=rf'{name}: .*{channels}.*choose'):
        build_attention(name, channels)
