"""The image files of a data set: finding and reading them, with one message per mistake."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import MissingFile, UserError, cannot_read, require
from ..io import PathLike, describe_content, require_file
from .annotations import Annotations


def find_images(annotations: Annotations, folder: PathLike) -> list[Path]:
    """Return the files of all images.

    Raises:
        MissingFile: A file is missing; the message says how many are.
    """
    paths = [Path(folder) / name for name in annotations.file_names]
    missing = [i for i, path in enumerate(paths) if not path.is_file()]
    if missing:
        first, name = annotations.image_ids[missing[0]], annotations.file_names[missing[0]]
        raise MissingFile(
            f'{len(missing)} of the {len(paths)} images of {annotations.source} are not in '
            f'{folder} (first: image {first}, file_name {name!r}); give the folder that the '
            'file names are relative to'
        )
    return paths


def read_image(path: PathLike, size: Sequence[float]) -> np.ndarray:
    """Return an image as ``(H, W, 3)`` uint8, BGR.

    Args:
        path: The file.
        size: The expected width and height; NaN for any.

    Raises:
        UserError: The file cannot be read, is not an image, or has another size.
    """
    cv2 = require('cv2', 'lite')
    try:
        require_file(path)
        data = np.fromfile(path, dtype=np.uint8)
    except (OSError, ValueError) as error:
        raise cannot_read(f'the image {path}', error) from error
    image = _decoded(path, data, cv2.IMREAD_COLOR)
    height, width = image.shape[:2]
    if any(abs(actual - expected) > 0 for actual, expected in zip((width, height), size)):
        reason = 'the boxes belong to another version of the image'
        if (height, width) == tuple(size):
            stored = _decoded(path, data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            if stored.shape[:2] != image.shape[:2]:
                reason = (
                    'its EXIF orientation tag turns it, here and in training; remove the tag, or '
                    'turn the pixels'
                )
        raise UserError(
            f'{path} is {width} x {height} pixels, its annotations say {size[0]:g} x {size[1]:g}: '
            f'{reason}'
        )
    return image


def _decoded(path: PathLike, data: np.ndarray, flags: int) -> np.ndarray:
    """Return the pixels of a file; OpenCV turns grey, 16 bits, CMYK and alpha into BGR."""
    cv2 = require('cv2', 'lite')
    try:
        image = cv2.imdecode(data, flags) if len(data) else None
    except (cv2.error, MemoryError) as error:
        if 'IMAGE_PIXELS' in str(error) or 'IMAGE_WIDTH' in str(error) or 'HEIGHT' in str(error):
            raise UserError(
                f'{path} is larger than OpenCV reads, 2^30 pixels; cut it into tiles, or set '
                'OPENCV_IO_MAX_IMAGE_PIXELS'
            ) from error
        raise UserError(f'{path} cannot be decoded: {str(error).splitlines()[0]}') from error
    if image is None:
        kind = describe_content(data[:64].tobytes())
        what = f'is {kind}' if kind and 'image' not in kind else 'is damaged, or not an image'
        raise UserError(f'{path} {what}; OpenCV cannot read it')
    return image


def boxes_by_image(annotations: Annotations) -> list[np.ndarray]:
    """Return the boxes of each image, including crowd regions."""
    order = np.argsort(annotations.image, kind='stable')
    ends = np.cumsum(np.bincount(annotations.image, minlength=len(annotations.image_ids)))
    return np.split(annotations.boxes[order], ends[:-1])


def box_windows(corners: np.ndarray, shape: Sequence[int]) -> list[tuple[slice, slice]]:
    """Return the pixels that each box touches, as rows and columns of an image.

    Args:
        corners: ``(n, 4)`` x1, y1, x2, y2.
        shape: Height and width of the image.
    """
    height, width = shape[:2]
    low = np.floor(corners[:, :2]).clip(0, (width, height)).astype(int)
    high = np.ceil(corners[:, 2:]).clip(0, (width, height)).astype(int)
    return [np.s_[y1:y2, x1:x2] for (x1, y1), (x2, y2) in zip(low.tolist(), high.tolist())]
