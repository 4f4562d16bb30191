"""The test set of a plan again, at several severities of clutter injection."""

from dataclasses import replace
from pathlib import Path

from mmengine.config import Config

from ..datasets.injection import ClutterInjection, doses_record, write_doses
from ..errors import UserError
from ..io import differences, read_json
from ..processors import Progress, silent
from .collect import set_of
from .plan import Plan


def with_severities(plan: Plan, folder: Path, config: Config, progress: Progress = silent) -> Plan:
    """Return the plan with all arms tested on ``FOLDER/injected``, which is written if need be.

    Distractors are cut from the training set.

    Args:
        plan: Names the severities.
        folder: Folder of the sweep.
        config: The whole config of the baseline.
        progress: Wraps the images.

    Raises:
        UserError: The folder holds other severities or those of another test set, an image cannot
            be read, or the test set of the config is not a plain COCO set.
    """
    out = folder / 'injected'
    test, train = (set_of(loader) for loader in (config.test_dataloader, config.train_dataloader))
    wanted = doses_record(test[0], plan.severities)
    if not out.is_dir():
        injection = ClutterInjection(*train, severity=max(plan.severities))
        write_doses(*test, out, injection, plan.severities, progress)
    elif differing := differences(read_json(out / 'injection.json'), wanted):
        raise UserError(f'{out} was made for another plan ({differing}): give another --work-dir')
    dataset = 'test_dataloader.dataset'
    return replace(
        plan,
        overrides={
            **plan.overrides,
            f'{dataset}.data_root': str(out),
            f'{dataset}.ann_file': 'annotations.json',
            f'{dataset}.data_prefix.img': 'images/',
            'test_evaluator.ann_file': str(out / 'annotations.json'),
        },
    )
