"""A plan with severities is tested on injected clutter, and compared without it."""

from dataclasses import replace

import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.comparison import compare
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.collect import collect
from mmdet_spatialattn.experiments.launch import detections_of, mark_finished
from mmdet_spatialattn.experiments.severities import with_severities
from mmdet_spatialattn.io import read_json, write_json
from tests.experiments.sets import configs_of, finish, small_plan, small_scenes
from tests.experiments.test_collect import without_sources


def test_doses_are_severities_and_effects_those_without_clutter(tmp_path):
    scenes = small_scenes(tmp_path / 'scenes')
    plan = small_plan(scenes, dose='severity', group_by='original', severities=(1, 4), seeds=(0,))
    folder, clean = tmp_path / 'runs', tmp_path / 'clean'
    injected = with_severities(plan, folder, configs_of(plan, folder)['plain'])
    assert injected.overrides['test_evaluator.ann_file'] == str(
        folder / 'injected/annotations.json'
    )
    finish(plan, clean, scenes, {'plain': 6, 'cbam': 3})
    images = read_json(folder / 'injected/annotations.json')['images']
    for run in plan.runs:
        found = read_json(detections_of(run, clean))
        copies = [
            {**row, 'image_id': image['id']}
            for image in images
            for row in found
            if row['image_id'] == image['original']
        ]
        write_json(detections_of(run, folder), copies)
        mark_finished(run, folder / run.name)
    collect(plan, folder, configs_of(injected, folder))
    verdict = read_json(folder / 'verdict.json')
    files = {run.arm.name: [detections_of(run, clean)] for run in plan.runs}
    expected = compare(scenes / 'annotations/val.json', files, strata=plan.strata, n_boot=100)
    assert without_sources(verdict['comparison']) == without_sources(expected.to_json())
    assert verdict['dose']['doses'] == [0, 1, 4]
    assert verdict['dose']['images'] == [24] * 3  # detected alike, whatever the clutter
    ap = [one['estimate'] for one in verdict['dose']['arms']['cbam']['AP']]
    assert ap == pytest.approx([expected.arms['cbam'][0].overall['AP']] * 3)
    assert verdict['dose']['arms']['cbam']['rPC']['estimate'] == pytest.approx(1)
    assert 'test_evaluator.ann_file' not in verdict['plan']['overrides']

    with_severities(plan, folder, configs_of(plan, folder)['plain'])  # found, not written again
    with pytest.raises(UserError, match=r'made for another plan \(severities \[1, 4\] instead of'):
        with_severities(replace(plan, severities=(2,)), folder, configs_of(plan, folder)['plain'])
