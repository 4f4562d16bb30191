"""Check that every arm begins as the baseline: inserted attention must change nothing."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import nn

from ..compat.checkpoint import load_checkpoint
from ..errors import UserError
from ..insertion.attach import TOKEN
from .arms import building
from .resumable import seed_everything

IMAGES = 4
"""Number of test images on which the arms must agree."""


def check_identity(
    configs: Mapping[str, Config], baseline: str, checkpoint: str, *, exact: bool = True
) -> None:
    """Check that a checkpoint starts every arm, and that all arms detect the same with it.

    Args:
        configs: The whole config of every arm to check.
        baseline: The arm that the others must equal.
        checkpoint: File or address of the common start.
        exact: Whether the detections must be equal; otherwise the weights must only fit.

    Raises:
        UserError: The checkpoint is of another model, or an arm detects something else.
    """
    state = load_checkpoint(checkpoint)
    weights = state.get('state_dict', state)
    expected = _detections(configs[baseline], weights, baseline, checkpoint)
    for arm, config in configs.items():
        detections = _detections(config, weights, arm, checkpoint)
        if exact and not _equal(detections, expected):
            raise UserError(
                f"arm '{arm}' does not start as the baseline: with the weights of {checkpoint} it "
                'detects something else; give its attention identity_init=True, or set exact=False '
                'in the start of the plan to compare it all the same'
            )


def _detections(
    config: Config, weights: Mapping[str, Any], arm: str, checkpoint: str
) -> list[dict[str, torch.Tensor]]:
    """Return what an arm detects in the first test images before it is trained."""
    with building(config):
        seed_everything(0)
        model = MODELS.build(config.model)
        model.init_weights()
        _load(model, weights, arm, checkpoint)
        dataset = DATASETS.build(config.test_dataloader.dataset)
        images = [dataset[i] for i in range(min(IMAGES, len(dataset)))]
    model.eval()
    with torch.no_grad():
        samples = model.test_step(pseudo_collate(images))
    keys = ('bboxes', 'scores', 'labels')
    return [{key: sample.pred_instances[key] for key in keys} for sample in samples]


def _load(model: nn.Module, weights: Mapping[str, Any], arm: str, checkpoint: str) -> None:
    """Load the start into an arm; only inserted attention may be missing from it."""
    try:
        missing, unexpected = model.load_state_dict(dict(weights), strict=False)
    except RuntimeError as error:  # other shapes
        reason = str(error).splitlines()[-1].strip()
        raise UserError(
            f"arm '{arm}' cannot start from {checkpoint}, which is of another model: {reason}"
        ) from error
    missing = [name for name in missing if TOKEN not in name]
    if missing or unexpected:
        names = ', '.join([*missing, *unexpected][:3])
        raise UserError(
            f"arm '{arm}' cannot start from {checkpoint}, which is of another model: "
            f'{len(missing)} weights are missing and {len(unexpected)} unexpected ({names}, ...)'
        )


def _equal(
    detections: list[dict[str, torch.Tensor]], expected: list[dict[str, torch.Tensor]]
) -> bool:
    return all(
        torch.equal(image[key], other[key])
        for image, other in zip(detections, expected)
        for key in other
    )
