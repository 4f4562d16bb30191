"""A plan with severities is tested on injected clutter, and compared without it."""

from dataclasses import replace

import numpy as np
import pytest

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.comparison import compare
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.record import write_record
from mmdet_spatialattn.experiments.severities import (
    annotations_of,
    clean_images,
    detections_of,
    write_severities,
)
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.results.sweep import FINISHED
from tests.experiments.sets import collect_runs, configs_of, finish, small_plan, small_scenes
from tests.experiments.test_collect import without_sources


def test_doses_are_severities_and_effects_those_without_clutter(tmp_path):
    scenes = small_scenes(tmp_path / 'scenes')
    plan = small_plan(scenes, dose='severity', group_by='original', severities=(1, 4), seeds=(0,))
    folder, clean = tmp_path / 'runs', tmp_path / 'clean'
    configs = configs_of(plan)
    changes = write_severities(plan, folder, configs['plain'])
    assert changes['test_evaluator.ann_file'] == str(folder / 'injected/annotations.json')
    finish(plan, clean, scenes, {'plain': 6, 'cbam': 3})
    images = read_json(folder / 'injected/annotations.json')['images']
    for run in plan.runs:
        detections = read_json(clean / run.detections)
        copies = [
            {**row, 'image_id': image['id']}
            for image in images
            for row in detections
            if row['image_id'] == image['original']
        ]
        write_json(folder / run.detections, copies)
        write_record(run, folder, FINISHED)
    for config in configs.values():
        config.merge_from_dict(changes)
    result = collect_runs(plan, folder, configs)
    files = {run.arm: [clean / run.detections] for run in plan.runs}
    seeds = {run.arm: [run.seed] for run in plan.runs}
    expected = compare(
        scenes / 'annotations/val.json', files, strata=plan.strata, n_boot=100, seeds=seeds
    )
    assert without_sources(result.comparison) == without_sources(expected)
    assert result.comparison.test_set.file == 'injected/annotations.json'
    assert result.dose.doses == (0, 1, 4)
    assert result.dose.images == (24, 24, 24)  # detected alike, whatever the clutter
    ap = [interval.estimate for interval in result.dose.arms['cbam'].mean.AP]
    (run,) = expected.arms['cbam'].runs
    assert ap == pytest.approx([run.overall['AP']] * 3)
    assert result.dose.arms['cbam'].mean.rPC.estimate == pytest.approx(1)
    assert 'test_evaluator.ann_file' not in result.plan.overrides

    plain = configs_of(plan)['plain']
    written = (folder / 'injected/annotations.json').stat().st_mtime_ns
    assert write_severities(plan, folder, plain) == changes  # found, not written again
    assert (folder / 'injected/annotations.json').stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r'made for another plan \(severities \[1, 4\] instead of'):
        write_severities(replace(plan, severities=(2,)), folder, plain)


def test_some_images_of_a_set_are_as_if_loaded_alone(tmp_path):
    """Compare the arrays of a selection with those of a file that holds nothing else."""
    scenes = small_scenes(tmp_path / 'scenes')
    content = read_json(scenes / 'annotations/val.json')
    for number, image in enumerate(content['images']):
        image['severity'] = number % 3
    content['annotations'][0]['iscrowd'] = content['annotations'][3]['ignore'] = 1
    kept = {image['id'] for image in content['images'] if image['severity'] == 0}
    rows = [
        {'image_id': r['image_id'], 'category_id': r['category_id'], 'bbox': r['bbox'], 'score': s}
        for s, r in enumerate(content['annotations'])
    ]
    annotations = load_annotations(content)
    detections = load_detections(rows, annotations)
    mask = clean_images(annotations)
    chosen, kept_detections = annotations_of(annotations, mask), detections_of(detections, mask)
    alone = load_annotations(
        {
            **content,
            'images': [image for image in content['images'] if image['id'] in kept],
            'annotations': [r for r in content['annotations'] if r['image_id'] in kept],
        }
    )
    alone_found = load_detections([row for row in rows if row['image_id'] in kept], alone)
    assert len(alone) and len(chosen.image_ids) == len(kept) == 8
    for first, second in ((chosen, alone), (kept_detections, alone_found)):
        for name, value in vars(second).items():
            if name not in ('source', 'notes'):
                np.testing.assert_array_equal(getattr(first, name), value, err_msg=name)
    assert (
        chosen.image.dtype == alone.image.dtype
        and kept_detections.image.dtype == alone_found.image.dtype
    )
