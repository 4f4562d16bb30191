"""Check that every arm begins as the baseline: inserted attention must change nothing."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from ..compat.checkpoint import load_checkpoint
from ..errors import UserError, error_prefix
from .arms import building
from .checks import check_weights
from .pretrained import without_pretrained
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
    expected = _detections(configs[baseline], state, baseline, checkpoint)
    for arm, config in configs.items():
        detections = _detections(config, state, arm, checkpoint)
        if exact and not _equal(detections, expected):
            raise UserError(
                f"arm '{arm}' does not start as the baseline: with the weights of {checkpoint} it "
                'detects something else; give its attention identity_init=True, or set exact=False '
                'in the start of the plan to compare it all the same'
            )


def _detections(
    config: Config, state: dict[str, Any], arm: str, checkpoint: str
) -> list[dict[str, torch.Tensor]]:
    """Return what an arm detects in the first test images before it is trained."""
    with building(config):
        seed_everything(0)
        model = MODELS.build(without_pretrained(config.model))
        model.init_weights()
        with error_prefix(f"arm '{arm}' cannot start"):
            check_weights(model, state, checkpoint, 'insert')
        dataset = DATASETS.build(config.test_dataloader.dataset)
        images = [dataset[i] for i in range(min(IMAGES, len(dataset)))]
    model.eval()
    with torch.no_grad():
        samples = model.test_step(pseudo_collate(images))
    keys = ('bboxes', 'scores', 'labels')
    return [{key: sample.pred_instances[key] for key in keys} for sample in samples]


def _equal(
    detections: list[dict[str, torch.Tensor]], expected: list[dict[str, torch.Tensor]]
) -> bool:
    return all(
        torch.equal(image[key], other[key])
        for image, other in zip(detections, expected)
        for key in other
    )
