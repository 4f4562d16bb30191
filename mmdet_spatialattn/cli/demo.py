"""Does attention help in clutter? Train a detector with and without it, and compare.

    spatialattn demo
    spatialattn demo --work-dir out --json demo.json

Generates the clutter digits, trains a narrow RetinaNet without attention and one with CBAM in its
backbone, and prints their AP at every level of clutter; a picture shows what both detect. Nothing
is downloaded. What is interrupted goes on when the same command is given again.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from ..errors import UserError
from ..io import differences, read_json, write_json
from ._command import Parser, command, maybe_write_json

if TYPE_CHECKING:
    from ..experiments.plan import Plan

CONFIGS = Path(__file__).parents[2] / 'configs' / 'clutter_digits'
ARMS = {
    'baseline': 'retinanet_r18-narrow_fpn_2e_clutter-digits.py',
    'cbam-backbone': 'retinanet_r18-narrow-cbam-c3-c5_fpn_2e_clutter-digits.py',
}
SHOWN_SCORE = 0.3


@command
def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser('demo', __doc__)
    parser.add_argument(
        '--work-dir',
        default='work_dirs/demo',
        metavar='DIR',
        help='where everything goes (default work_dirs/demo)',
    )
    parser.add_argument(
        '--images', type=int, default=1000, metavar='N', help='scenes (default 1000)'
    )
    parser.add_argument('--epochs', type=int, default=3, metavar='N', help='default 3')
    parser.add_argument('--seed', type=int, default=0, help='of the trainings (default 0)')
    parser.add_json()
    args = parser.parse_args(argv)
    if args.epochs < 1:
        raise UserError(f'epochs must be at least 1, got {args.epochs}')
    if args.seed < 0:
        raise UserError(f'seed must not be negative, got {args.seed}')
    if not CONFIGS.is_dir():
        raise UserError(f'{CONFIGS} does not exist: the demo runs from a clone of the repository')

    from ..datasets.scenes import check_scenes, write_scenes
    from .scenes import track_scenes

    check_scenes(args.images)
    folder = Path(args.work_dir).resolve()
    _claim(folder, {'images': args.images, 'epochs': args.epochs, 'seed': args.seed})
    write_scenes(folder / 'scenes', args.images, progress=track_scenes)
    plan = _plan(args.seed)
    _train(plan, folder, args.epochs)
    results = _evaluate(plan, folder)
    _print_table(results)
    _draw(plan, folder, folder / 'detections.png')
    print(f'What both detect: {folder / "detections.png"}')
    maybe_write_json(args.json, results)
    return 0


def _claim(folder: Path, parameters: dict[str, int]) -> None:
    """Take the folder for a demo with these parameters, or go on with that demo."""
    manifest = folder / 'demo.json'
    if manifest.is_file():
        differing = differences(read_json(manifest), parameters)
        if differing:
            raise UserError(
                f'{folder} holds another demo ({differing}): give another --work-dir, or delete it'
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f'{folder} holds something else: give another --work-dir')
    write_json(manifest, parameters)


def _plan(seed: int) -> 'Plan':
    from ..experiments.plan import Arm, Plan

    arms = tuple(Arm(name, CONFIGS / config) for name, config in ARMS.items())
    return Plan('demo', arms, baseline='baseline', seeds=(seed,), dose='level')


def _train(plan: 'Plan', folder: Path, epochs: int) -> None:
    from ..experiments.launch import cores, launch, log_of
    from ._board import Board

    overrides = {
        'data_root': str(folder / 'scenes'),
        'train_cfg.max_epochs': epochs,
        'default_hooks.logger.interval': 10,
    }
    with Board() as board:
        states = launch(plan.runs, folder, overrides, jobs=cores(), watch=board)
    for state in states:
        if state.phase == 'failed':
            raise UserError(f'{state.run.name} failed; its log: {log_of(state.run, folder)}')


def _evaluate(plan: 'Plan', folder: Path) -> dict[str, Any]:
    """Return AP and AP50 of every arm, overall and per clutter level."""
    import numpy as np

    from ..evaluation.coco import load_annotations, load_detections
    from ..evaluation.matching import IOU_THRESHOLDS, match
    from ..evaluation.metrics import count_objects, mean_of_defined, precisions
    from ..experiments.launch import detections_of

    path = folder / 'scenes' / 'annotations' / 'val.json'
    annotations = load_annotations(path)
    level_of = {image['id']: image['level'] for image in read_json(path)['images']}
    level = np.array([level_of[image_id] for image_id in annotations.image_ids])
    levels = sorted(set(level.tolist()))
    chosen = np.stack([np.full(len(level), True), *(level == each for each in levels)])
    arms = []
    for run in plan.runs:
        detections = load_detections(detections_of(run, folder), annotations)
        inside, charged = chosen[:, annotations.image], chosen[:, detections.image]
        matches = match(annotations, detections, inside, charged)
        n_objects = count_objects(annotations.category, inside, len(annotations.category_ids))
        found = [precisions(matches, k, n, 100) for k, n in enumerate(n_objects)]
        arms.append(
            {
                'arm': run.arm.name,
                'seed': run.seed,
                'AP': mean_of_defined(found[0]),
                'AP50': mean_of_defined(found[0][IOU_THRESHOLDS == 0.5]),
                'AP_per_level': {
                    str(each): mean_of_defined(values) for each, values in zip(levels, found[1:])
                },
            }
        )
    return {'metric': 'AP of boxes, IoU 0.50:0.95', 'n_images': len(level), 'arms': arms}


def _print_table(results: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    arms = results['arms']
    levels = list(arms[0]['AP_per_level'])
    table = Table(title=f'{results["metric"]}; {results["n_images"]} images of val')
    table.add_column('', no_wrap=True)
    for title in ('AP', 'AP50', *(f'level {level}' for level in levels)):
        table.add_column(title, justify='right')
    rows = [[arm['AP'], arm['AP50'], *arm['AP_per_level'].values()] for arm in arms]
    for arm, row in zip(arms, rows):
        table.add_row(arm['arm'], *(f'{value:.3f}' for value in row))
    table.add_section()
    table.add_row('difference', *(f'{b - a:+.3f}' for a, b in zip(*rows)))
    Console().print(table)
    print('A level is an amount of clutter around the same objects. One seed per arm: the noise of')
    print('training is not in these numbers, and a difference of some hundredths may be chance.')


def _draw(plan: 'Plan', folder: Path, path: Path) -> None:
    """Draw the truth and what each arm detects in the first scene, with ever more clutter."""
    from PIL import Image

    from ..datasets.sheet import RIGHT, WRONG, Mark, draw, write_sheet
    from ..experiments.launch import detections_of

    val = read_json(folder / 'scenes' / 'annotations' / 'val.json')
    names = {category['id']: category['name'] for category in val['categories']}
    images = [i for i in val['images'] if i['scene'] == 0 and i['level'] in (0, 2, 4)]
    found = [read_json(detections_of(run, folder)) for run in plan.runs]
    rows = []
    for image in images:
        objects = [a for a in val['annotations'] if a['image_id'] == image['id']]
        with Image.open(folder / 'scenes' / 'images' / image['file_name']) as file:
            pixels = file.convert('RGB')
        row = [draw(pixels, [Mark(a['bbox'], names[a['category_id']]) for a in objects])]
        for detections in found:
            mine = [
                d for d in detections if d['image_id'] == image['id'] and d['score'] >= SHOWN_SCORE
            ]
            mine.sort(key=lambda detection: -detection['score'])
            marks = [
                Mark(
                    detection['bbox'],
                    f'{names[detection["category_id"]]} {detection["score"]:.2f}',
                    RIGHT if right else WRONG,
                )
                for detection, right in zip(mine, _right(mine, objects))
            ]
            row.append(draw(pixels, marks))
        rows.append(row)
    arms = [f'{run.arm.name} (green right, red wrong)' for run in plan.runs]
    write_sheet(path, ['truth', *arms], rows)


def _right(detections: list[dict], objects: list[dict]) -> list[bool]:
    """Return which detections, by falling score, find an object of their class that is free."""
    from pycocotools.mask import iou

    free = list(objects)
    right = []
    for detection in detections:
        same = [o for o in free if o['category_id'] == detection['category_id']]
        boxes = [o['bbox'] for o in same]
        overlaps = iou([detection['bbox']], boxes, [0] * len(boxes))[0].tolist() if same else [0]
        best = max(overlaps)
        right.append(best >= 0.5)
        if right[-1]:
            free.remove(same[overlaps.index(best)])
    return right
