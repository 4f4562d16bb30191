"""A data set of a few boxes to measure."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np


def small_set() -> dict[str, Any]:
    """Two images of 40 x 30, one without objects; two boxes and a crowd region in the other."""
    boxes = [[0, 0, 10, 10], [5, 0, 10, 10], [0, 20, 30, 10]]
    return {
        'images': [
            {'id': 7, 'width': 40, 'height': 30, 'file_name': 'a.png'},
            {'id': 3, 'width': 40, 'height': 30, 'file_name': 'sub/b.png'},
        ],
        'categories': [{'id': 1, 'name': 'cell'}, {'id': 5, 'name': 'cat'}],
        'annotations': [
            {'id': 10 + k, 'image_id': 7, 'category_id': 1, 'bbox': box, 'iscrowd': int(k == 2)}
            for k, box in enumerate(boxes)
        ],
    }


def write_images(folder: Path) -> Path:
    """Write the two images of the small set."""
    rng = np.random.default_rng(0)
    for name in ('a.png', 'sub/b.png'):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    return folder
