"""What arms are, before they are trained: how they differ, what is inserted, what they cost."""

import contextlib
import difflib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from ..compat.quiet import quiet
from ..cost import measure_costs
from ..insertion.audit_detector import audit_detector
from .resumable import seed_everything

_OF_A_RUN = ('work_dir', 'randomness', 'seed', 'outfile_prefix')
"""Keys of a run's config that say nothing about its arm."""


def differences(configs: Mapping[str, Config], baseline: str) -> dict[str, str]:
    """Return by arm how its whole config differs from the baseline's, as a unified diff."""
    texts = {arm: _text(config) for arm, config in configs.items()}
    return {
        arm: '\n'.join(difflib.unified_diff(texts[baseline], text, baseline, arm, n=2, lineterm=''))
        for arm, text in texts.items()
    }


def measure_arms(configs: Mapping[str, Config], baseline: str) -> dict[str, dict[str, Any]]:
    """Measure the networks of all arms side by side, on one image of the test set.

    Post-processing is left out: it depends on what was found. On a GPU if there is one.

    Returns:
        By arm the fields of :class:`~mmdet_spatialattn.cost.Cost`, and ``audit``, a table of what
        is inserted, empty for an arm without attention.
    """
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    models, inputs, audits = {}, {}, {}
    for arm, config in configs.items():
        with _building(config):
            seed_everything(0)  # the audit tells what the initial weights do
            models[arm] = MODELS.build(config.model)
            image = DATASETS.build(config.test_dataloader.dataset)[0]
        models[arm].eval().to(device)
        data = models[arm].data_preprocessor(pseudo_collate([image]), False)
        inputs[models[arm]] = data
        report = audit_detector(models[arm], config, data['inputs'].shape[-2:])
        audits[arm] = str(report) if report.rows else ''
    found = measure_costs(models, lambda model: model(**inputs[model], mode='tensor'), baseline)
    return {arm: {**asdict(cost), 'audit': audits[arm]} for arm, cost in found.items()}


def training_time(config: Config, threads: int = 1, steps: int = 6) -> float:
    """Estimate how long one run takes, in seconds, from a few steps of training and of testing.

    Counts the start of its two commands, but neither the decline of a throttled machine nor what
    runs beside it.

    Args:
        config: The whole config of the run.
        threads: With which it will run.
        steps: How many batches are timed.
    """
    from mmengine.optim import build_optim_wrapper

    start = time.perf_counter()
    with _building(config), _threads(threads):
        model = MODELS.build(config.model)
        model.init_weights()
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        model.to(device).train()
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        loaders = [
            Runner.build_dataloader({**loader, 'num_workers': 0, 'persistent_workers': False})
            for loader in (config.train_dataloader, config.test_dataloader)
        ]
        begun = time.perf_counter() - start
        per_step = _median_time(lambda batch: model.train_step(batch, wrapper), loaders[0], steps)
        model.eval()
        with torch.no_grad():
            per_test = _median_time(model.test_step, loaders[1], steps)
    epochs = config.train_cfg.max_epochs
    return 2 * begun + epochs * len(loaders[0]) * per_step + len(loaders[1]) * per_test


@contextlib.contextmanager
def _building(config: Config) -> Iterator[None]:
    scope = config.get('default_scope', 'mmdet')
    with quiet(), DefaultScope.overwrite_default_scope(scope):
        yield


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _median_time(run: Any, loader: Any, steps: int) -> float:
    """Return the median time per batch, after one that warms up, data included."""
    times, batches = [], iter(loader)
    for _ in range(min(steps + 1, len(loader))):
        start = time.perf_counter()
        run(next(batches))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    times = sorted(times[1:] or times)
    return times[len(times) // 2]


def _text(config: Config) -> list[str]:
    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: cleaned(v) for k, v in value.items() if k not in _OF_A_RUN}
        if isinstance(value, (list, tuple)):
            return type(value)(cleaned(item) for item in value)
        return value

    return Config(cleaned(config._cfg_dict.to_dict())).pretty_text.splitlines()
