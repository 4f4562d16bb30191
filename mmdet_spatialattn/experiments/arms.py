"""The arms of a plan before they are trained: their differences, their attention, their cost."""

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from ..compat.quiet import quiet
from ..cost import measure_costs
from ..insertion.audit_detector import audit_detector
from ..results import Audit, Cost
from .config import flatten
from .resumable import seed_everything

_RUN_KEYS = {'work_dir', 'randomness', 'seed', 'outfile_prefix'}
"""Keys of a run's config that differ between the runs of one arm."""


def differences(configs: Mapping[str, Config], baseline: str) -> dict[str, str]:
    """Return the lines by which the config of every arm differs from the baseline's.

    A line is a dotted key with its value, ``-`` before those of the baseline and ``+`` before those
    of the arm.
    """
    lines = {arm: _lines(config) for arm, config in configs.items()}
    return {
        arm: '\n'.join(line for line in difflib.ndiff(lines[baseline], own) if line[0] in '+-')
        for arm, own in lines.items()
    }


class ArmMeasurement(NamedTuple):
    """The measured cost of an arm, and its inserted attention."""

    cost: Cost
    audit: Audit


def measure_arms(
    configs: Mapping[str, Config], baseline: str, *, device: str = 'cpu'
) -> dict[str, ArmMeasurement]:
    """Measure the networks of all arms side by side, on one image of the test set.

    Post-processing is left out, because its cost depends on what was detected.

    Args:
        configs: The whole config of every arm.
        baseline: The arm that latencies are divided by.
        device: ``'cuda'`` or ``'cpu'``.
    """
    models, inputs, audits = {}, {}, {}
    for arm, config in configs.items():
        with building(config):
            seed_everything(0)  # the audit shows the effect of the initial weights
            models[arm] = MODELS.build(config.model)
            image = DATASETS.build(config.test_dataloader.dataset)[0]
        models[arm].eval().to(device)
        data = models[arm].data_preprocessor(pseudo_collate([image]), False)
        inputs[models[arm]] = data
        audits[arm] = audit_detector(models[arm], config, data['inputs'].shape[-2:])
    costs = measure_costs(models, lambda model: model(**inputs[model], mode='tensor'), baseline)
    return {arm: ArmMeasurement(cost, audits[arm]) for arm, cost in costs.items()}


@contextlib.contextmanager
def building(config: Config) -> Iterator[None]:
    """Build parts of a config within the block: in its scope, without a log."""
    scope = config.get('default_scope', 'mmdet')
    with quiet(), DefaultScope.overwrite_default_scope(scope):
        yield


def _lines(config: Config) -> list[str]:
    """Return a config as lines of dotted keys and values, without what differs between runs."""
    flat = flatten(config._cfg_dict.to_dict())
    return [f'{k} = {v}' for k, v in flat.items() if not _RUN_KEYS & set(k.split('.'))]
