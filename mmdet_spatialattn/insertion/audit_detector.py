"""The audit of a whole detector, at the image size of its config."""

from collections.abc import Sequence
from typing import Any, Optional

from torch import nn

from ..results import Audit
from .audit import audit_model
from .dry_run import IMAGE
from .trial import detector_losses
from .walk import dictionaries


def audit_detector(model: nn.Module, config: Any, size: Optional[Sequence[int]] = None) -> Audit:
    """Audit the attention in an MMDetection detector.

    Args:
        model: The detector, as built.
        config: Its config.
        size: Height and width of the image; by default those of the config's test pipeline, or
            MMDetection's usual ones where it does not resize.
    """
    height, width = size or input_size(config) or IMAGE
    return audit_model(
        model,
        pretrained=bool(config.get('load_from')),
        losses=detector_losses(),
        size=(height, width),
    )


def input_size(config: Any) -> Optional[tuple[int, int]]:
    """Return height and width of a padded landscape image, as the config gives it to the detector.

    ``None`` if no step of the pipelines resizes.
    """
    for loader in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        for _key, step in dictionaries(config.get(loader) or {}):
            scale: Any = step.get('scale')
            if str(step.get('type')).endswith('Resize') and _is_size(scale):
                return _pad(config, min(scale), max(scale))
    return None


def _is_size(scale: Any) -> bool:
    return isinstance(scale, (tuple, list)) and all(isinstance(side, int) for side in scale)


def _pad(config: Any, height: int, width: int) -> tuple[int, int]:
    divisor = (config.model.get('data_preprocessor') or {}).get('pad_size_divisor') or 1
    return -(-height // divisor) * divisor, -(-width // divisor) * divisor
