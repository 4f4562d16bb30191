"""Detectors with masks are compared by masks, and by boxes beside them."""

import numpy as np
import pytest
from mmengine.config import Config

import mmdet_spatialattn  # noqa: F401  before mmdet, which it makes usable
from mmdet_spatialattn.coco import load_annotations, load_detections
from mmdet_spatialattn.comparison import compare
from mmdet_spatialattn.errors import UserError
from mmdet_spatialattn.experiments.config import arm_config, coco_files, iou_types
from mmdet_spatialattn.experiments.metafile import read_metafile, write_metafile
from mmdet_spatialattn.experiments.own_data import check_masks
from mmdet_spatialattn.experiments.plan import Arm
from mmdet_spatialattn.experiments.proposal import propose
from mmdet_spatialattn.experiments.reopen import read_collected
from mmdet_spatialattn.experiments.severities import detections_of
from mmdet_spatialattn.experiments.sweep import MANIFEST, check, protocol, run_sweep
from mmdet_spatialattn.io import read_json, write_json
from mmdet_spatialattn.report.sweep_page import PAGE_OF_BOXES
from tests.experiments.sets import BASELINE, MASKS, finish, small_cells, small_plan, small_scenes

ARMS = (Arm('plain', MASKS), Arm('other', MASKS, {'model.roi_head.mask_head.num_convs': 1}))


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    return small_scenes(tmp_path_factory.mktemp('set') / 'scenes')


@pytest.fixture(scope='module')
def sweep(scenes):
    """A plan of detectors with masks, and the folder and result of its sweep."""
    folder = scenes.parent / 'runs'
    plan = small_plan(scenes, arms=ARMS)
    finish(plan, folder, scenes, {'plain': 3, 'other': 3})
    truth = read_json(scenes / 'annotations/val.json')['annotations']
    for run in plan.runs:  # masks are found or missed whole, and boxes stand beside them
        rng = np.random.default_rng([len(run.arm), run.seed])
        kept = rng.random(len(truth)) < (0.5 if run.arm == 'plain' else 0.8)
        boxes = read_json(folder / run.detections)
        masks = [
            {**box, 'segmentation': row['segmentation']}
            for box, row, found in zip(boxes, truth, kept)
            if found
        ]
        write_json(folder / run.detections_of('segm'), masks)
    write_json(folder / MANIFEST, protocol(plan))
    return plan, folder, run_sweep(plan, folder, device='cpu')


@pytest.mark.parametrize(
    ('metrics', 'expected'),
    [
        ([['bbox', 'segm'], ['segm', 'bbox']], ('segm', 'bbox')),
        ([['bbox', 'segm'], 'bbox'], ('bbox',)),
        (['segm', ['segm']], ('segm',)),
        ([None, ['bbox', 'segm']], ('bbox',)),
        (['proposal'], ('bbox',)),
    ],
)
def test_arms_are_compared_by_what_all_of_them_are_tested_by(metrics, expected):
    configs = [Config({'test_evaluator': {'metric': m} if m else {}}) for m in metrics]
    assert iou_types(configs) == expected


def test_masks_answer_and_boxes_stand_beside_them(sweep, scenes):
    plan, folder, result = sweep
    truth = read_json(scenes / 'annotations/val.json')
    for comparison, iou_type in ((result.comparison, 'segm'), (result.boxes, 'bbox')):
        assert comparison.settings.iou_type == iou_type
        runs = {arm.name: [] for arm in plan.arms}
        for run in plan.runs:
            entries = read_json(folder / run.detections_of(iou_type))
            if iou_type == 'segm':  # as MMDetection evaluates them
                entries = [{k: v for k, v in e.items() if k != 'bbox'} for e in entries]
            runs[run.arm].append(entries)
        seeds = {arm: [0, 1] for arm in runs}
        options = dict(n_boot=100, group_by='scene', seeds=seeds, strata=plan.strata)
        expected = compare(truth, runs, iou_type=iou_type, **options)
        for arm in runs:
            assert comparison.arms[arm].metrics['overall'] == expected.arms[arm].metrics['overall']
        sources = [run.source for run in comparison.arms['other'].runs]
        assert sources == [f'other/seed_{k}/detections.{iou_type}.json' for k in (0, 1)]
    assert result.comparison.effect('other').estimate > 0.1
    assert abs(result.boxes.effect('other').estimate) < 0.1
    assert result.dose.settings.iou_type == 'segm'
    assert not any('boxes stand beside masks' in note for note in result.comparison.notes)
    assert result.of_boxes.comparison == result.boxes
    assert (folder / PAGE_OF_BOXES).is_file()


def test_a_changed_file_of_masks_makes_the_sweep_stale(sweep):
    plan, folder, result = sweep
    assert read_collected(plan, folder, 'cpu', ended=True) == result
    path = folder / plan.runs[0].detections_of('segm')
    content = path.read_bytes()
    path.write_bytes(content + b' ')
    assert read_collected(plan, folder, 'cpu', ended=True) is None
    path.write_bytes(content)


def test_a_metafile_says_that_it_is_by_masks(sweep, tmp_path):
    _, _, result = sweep
    write_metafile(tmp_path / 'metafile.yml', result)
    content = read_metafile(tmp_path / 'metafile.yml')
    assert content['By'] == 'masks'
    plain, other = (model['Results'] for model in content['Models'])
    effect = result.boxes.effect('other').estimate
    assert other['boxes']['effect']['overall']['estimate'] == pytest.approx(effect, abs=5e-7)
    assert other['AP']['mean'] != other['boxes']['AP']['mean'] and 'effect' not in plain['boxes']


def test_masks_follow_their_detections_into_a_part_of_the_images(scenes):
    truth = load_annotations(scenes / 'annotations/val.json')
    entries = [{**row, 'score': 0.5} for row in truth.records]
    detections = load_detections(entries, truth, iou_type='segm')
    kept = np.arange(len(truth.image_ids)) % 2 == 1
    part = detections_of(detections, kept)
    rows = np.flatnonzero(kept[detections.image])
    assert len(part) == len(part.masks) == len(rows) > 0
    assert part.masks == [detections.masks[i] for i in rows]


def test_annotations_without_masks_are_refused_before_a_night_is_spent(scenes, tmp_path):
    plan = small_plan(scenes, arms=ARMS)
    path = tmp_path / 'annotations/val.json'
    truth = read_json(scenes / 'annotations/val.json')
    del truth['annotations'][3]['segmentation']
    write_json(path, truth)
    overrides = {**plan.overrides, 'test_dataloader.dataset.ann_file': str(path)}
    with pytest.raises(UserError, match=r"tested by masks, but .*\[3\] has no 'segmentation'"):
        check(small_plan(scenes, arms=ARMS, overrides=overrides), tmp_path / 'runs')
    config = arm_config(small_plan(scenes), Arm('plain', BASELINE))
    check_masks([config], load_annotations(truth))  # boxes need none


def test_trying_a_detector_with_masks_says_what_is_compared(scenes, tmp_path):
    options = dict(overrides={'data_root': str(scenes)}, seeds=2)
    proposal = propose(MASKS, ['SE'], folder=tmp_path / 'try', **options)
    assert proposal.lines['arms'].endswith(
        'compared by their masks, and by their boxes beside them'
    )
    config = arm_config(proposal.plan, proposal.plan.arms[0])
    assert iou_types([config]) == ('segm', 'bbox')
    assert coco_files(config.test_dataloader).annotations == scenes / 'annotations/val.json'
    cells = small_cells(tmp_path)
    with pytest.raises(UserError, match='a detector without a mask head'):
        propose(MASKS, ['SE'], folder=tmp_path / 'cells', data=[cells, cells], seeds=2)
