"""The arms of a plan before they are trained: their differences, their attention, their cost."""

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from ..compat.quiet import quiet
from ..cost import measure_costs
from ..insertion.audit_detector import audit_detector
from ..results import Audit, Cost
from .resumable import seed_everything

_RUN_KEYS = ('work_dir', 'randomness', 'seed', 'outfile_prefix')
"""Keys of a run's config that differ between the runs of one arm."""


def differences(configs: Mapping[str, Config], baseline: str) -> dict[str, str]:
    """Return how the whole config of every arm differs from the baseline's, as unified diffs."""
    texts = {arm: _text(config) for arm, config in configs.items()}
    return {
        arm: '\n'.join(difflib.unified_diff(texts[baseline], text, baseline, arm, n=2, lineterm=''))
        for arm, text in texts.items()
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


def _text(config: Config) -> list[str]:
    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(v) for key, v in value.items() if key not in _RUN_KEYS}
        if isinstance(value, (list, tuple)):
            return type(value)(cleaned(item) for item in value)
        return value

    return Config(cleaned(config._cfg_dict.to_dict())).pretty_text.splitlines()
