"""Evaluate a detector as MMDetection's own tool does, after checks of config, data and checkpoint.

    spatialattn test configs/bccd/retinanet_r18-narrow_fpn_6e_bccd.py out/epoch_6.pth

The flags are those of MMDetection's tools/test.py, and --out-json, which writes the detections for
`spatialattn compare` and for every other reader of COCO's result format.
"""

import argparse
from typing import TYPE_CHECKING, Optional

from ..errors import UserError
from ._command import Parser, command, print_next
from ._runner import add_runner_flags, load_config, running

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

NEEDED = ('model', 'test_dataloader', 'test_cfg', 'test_evaluator')


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('test', __doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help="checkpoint of the config's model")
    add_runner_flags(parser)
    parser.add_argument('--out', metavar='FILE.pkl', help='write the predictions to FILE.pkl')
    parser.add_argument(
        '--out-json',
        metavar='FILE.json',
        help="write the detections to FILE.json, in COCO's result format",
    )
    parser.add_argument('--show', action='store_true', help='show the images with predictions')
    parser.add_argument('--show-dir', metavar='DIR', help='write the images to WORK_DIR/TIME/DIR')
    parser.add_argument(
        '--wait-time', type=float, default=2, metavar='S', help='seconds per image shown'
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    args = parser.parse_args(argv)
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        raise UserError(f'--out {args.out}: the name must end with .pkl')
    if args.out_json and not args.out_json.endswith('.json'):
        raise UserError(f'--out-json {args.out_json}: the name must end with .json')

    from ..compat.doctor import require_host
    from ..experiments.checks import (
        build_checked_model,
        check_checkpoint,
        check_data,
        check_work_dir,
    )

    require_host()
    config = load_config(args, NEEDED)
    check_work_dir(config.work_dir)
    check_data(config, 'test_dataloader')
    check_checkpoint(build_checked_model(config), args.checkpoint, 'test')
    config.load_from = args.checkpoint
    if args.show or args.show_dir:
        config = _draw(config, args)
    if args.tta:
        _augment(config)
    with running(config, args.local_rank) as runner:
        if args.out:
            from mmdet.evaluation import DumpDetResults

            runner.test_evaluator.metrics.append(DumpDetResults(out_file_path=args.out))
        if args.out_json:
            _write_detections(runner, args.out_json)
        runner.test()
    print_next('spatialattn compare compares the detections of several detectors')
    return 0


def _write_detections(runner: 'Runner', path: str) -> None:
    """Let the test write its detections to a JSON file."""
    from ..evaluation.detections_file import DetectionsFile

    dataset = runner.test_loop.dataloader.dataset
    category_ids = getattr(dataset, 'cat_ids', None)
    if category_ids is None:
        raise UserError(
            f'--out-json {path}: the test data set is a {type(dataset).__name__}, whose classes '
            'have no ids of COCO; test on a CocoDataset, or write the predictions with --out'
        )
    runner.test_evaluator.metrics.append(DetectionsFile(path, category_ids))


def _draw(config: 'Config', args: argparse.Namespace) -> 'Config':
    from mmdet.engine.hooks.utils import trigger_visualization_hook

    if 'visualization' not in config.get('default_hooks', {}):
        raise UserError(
            '--show, --show-dir: the config has no visualization hook; add --cfg-options '
            'default_hooks.visualization.type=DetVisualizationHook'
        )
    return trigger_visualization_hook(config, args)


def _augment(config: 'Config') -> None:
    """Wrap the model for test-time augmentation; by default with the image and its mirror image."""
    from mmengine.config import ConfigDict

    tta_model = config.get('tta_model') or dict(
        type='DetTTAModel',
        tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
    )
    dataset = config.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    meta_keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    pack = dict(type='PackDetInputs', meta_keys=(*meta_keys, 'flip', 'flip_direction'))
    flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
    mirrored = dict(type='TestTimeAug', transforms=[flips, [pack]])
    dataset.pipeline = config.get('tta_pipeline') or [*dataset.pipeline[:-1], mirrored]
    config.model = ConfigDict(**tta_model, module=config.model)
