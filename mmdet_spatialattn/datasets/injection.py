"""Clutter injection: distractors pasted between the objects of any COCO data set.

It does for clutter what ImageNet-C (Hendrycks & Dietterich, ICLR 2019) and COCO-C (Michaelis et
al., 2019) do for corruptions of the picture: the objects and their annotations do not change, and
their surroundings become fuller, at five severities. Distractors are fragments of background and of
objects from other images; a fragment is at most half of an object, so that it is not an object.

The distractors and their positions are a function of the seed, the image id, the data set of the
patches and the boxes of the image. Every severity adds to the distractors of the one below it.
"""

import copy
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Optional, Union

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ..clutter.measures import corners_of
from ..coco import Annotations, AnnotationSource, load_annotations
from ..coco.images import box_windows, boxes_by_image, find_images, read_image
from ..errors import UserError
from ..io import PathLike, atomic_folder, content_hash, read_json, write_bytes, write_json
from ..processors import Progress, in_parallel, silent
from ..registry import TRANSFORMS

SEVERITIES = {1: 4, 2: 8, 3: 14, 4: 22, 5: 32}
"""Number of distractors by severity."""

PATCH_SHARE = (0.004, 0.014)
"""Smallest and largest share of the image that a distractor covers; its logarithm is uniform."""

BANK_SIZE = 256
"""Number of patches that are cut; every image draws from them."""

_FRAGMENT = (0.4, 0.7)  # of an object's width and height; less than half of its area
_ASPECT = (0.5, 2.0)
_SMALLEST = 8  # pixels; objects and images with a smaller side give no fragments
_ZOOM = (0.5, 2.0)  # limits of the factor by which a patch is resized to its share
_FEATHER = 0.15  # width of the fading rim of a patch, relative to its shorter side
_TRIES = 30


@dataclass(frozen=True)
class Patch:
    """A patch, ``(H, W, 3)`` uint8 BGR, and the file from which it was cut."""

    pixels: np.ndarray
    source: Path


@dataclass(frozen=True)
class Injected:
    """An image with distractors.

    Attributes:
        image: ``(H, W, 3)`` uint8 BGR.
        placed: Number of distractors that were placed.
        share: Share of the image's pixels under distractors.
        cover: Share of each box under distractors, ``(n,)``; at most ``max_cover``.
    """

    image: np.ndarray
    placed: int
    share: float
    cover: np.ndarray


@TRANSFORMS.register_module()
class ClutterInjection(BaseTransform):
    """Paste distractors between the objects of an image.

    In a test pipeline it follows the loading of the image, before any step that resizes it. The
    boxes are those of the data set's ``instances``; ``LoadAnnotations`` is not needed.

    Required keys: ``img``, ``img_id``, ``img_path``, ``instances``. Modified keys: ``img``.

    Args:
        patches_ann: Annotations of the set from which distractors are cut: the training set. An
            image gets none that were cut from itself.
        patches_images: Folder of its images.
        severity: 1 to 5; see :data:`SEVERITIES`.
        seed: Seed of the patches and their positions.
        max_cover: Largest share of any object's box that may be covered, 0 to 1. With 0 no pixel of
            a box changes; where objects leave no room, there are fewer distractors.
        progress: Wraps the images that patches are cut from.

    Raises:
        UserError: A number is out of range, or the data set of the patches cannot be read.

    Example:
        >>> config = dict(
        ...     type='mmdet_spatialattn.ClutterInjection',
        ...     patches_ann='annotations/train.json',
        ...     patches_images='images',
        ...     severity=3,
        ... )
    """

    def __init__(
        self,
        patches_ann: AnnotationSource,
        patches_images: PathLike,
        severity: int,
        *,
        seed: int = 0,
        max_cover: float = 0.0,
        progress: Progress = silent,
    ) -> None:
        if severity not in SEVERITIES or isinstance(severity, bool):
            raise UserError(f'severity must be one of 1, 2, 3, 4, 5, got {severity!r}')
        if not 0 <= max_cover <= 1:
            raise UserError(f'max_cover is a share of a box, from 0 to 1, got {max_cover!r}')
        if not isinstance(seed, int) or seed < 0:
            raise UserError(f'seed must be an integer of at least 0, got {seed!r}')
        self.severity, self.seed, self.max_cover = severity, seed, max_cover
        self.bank = cut_patches(patches_ann, patches_images, seed, progress)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Inject into a sample of a data set.

        Raises:
            UserError: The image was resized, or the sample has no boxes to protect.
        """
        if 'instances' not in results:
            raise UserError(
                "ClutterInjection: the sample has no 'instances', so no object could be kept "
                'visible; use a data set with annotations'
            )
        image = results['img']
        if image.dtype != np.uint8 or image.shape[2:] not in ((), (1,), (3,)):
            raise UserError(
                f'ClutterInjection: the image is an array {image.shape} of {image.dtype}; expected '
                '(H, W, 3) or (H, W) of uint8, as LoadImageFromFile gives it by default'
            )
        if image.shape[:2] != (results['height'], results['width']):
            raise UserError(
                f'ClutterInjection: the image is {image.shape[1]} x {image.shape[0]} pixels, its '
                f'boxes are for {results["width"]} x {results["height"]}; put the transform '
                'directly after LoadImageFromFile'
            )
        corners = np.array([i['bbox'] for i in results['instances']], dtype=float).reshape(-1, 4)
        colour = image if image.shape[2:] == (3,) else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        pixels = self.inject(
            colour, corners, results['img_id'], path=Path(results['img_path'])
        ).image
        if colour is not image:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).reshape(image.shape)
        results['img'] = pixels
        return results

    def inject(
        self,
        image: np.ndarray,
        corners: np.ndarray,
        image_id: Union[int, str],
        *,
        path: Optional[Path] = None,
    ) -> Injected:
        """Return the image with distractors; the given image does not change.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            corners: ``(n, 4)`` x1, y1, x2, y2 of the boxes to keep visible.
            image_id: Id of the image, which together with the seed determines the distractors.
            path: File of the image, from which no patch is taken.

        Raises:
            UserError: All patches were cut from this image.
        """
        source = None if path is None else path.resolve()
        patches = [patch for patch in self.bank if patch.source != source]
        if not patches:
            raise UserError(
                f'all patches are from {path} itself, and distractors come from other images: give '
                'the training set for the patches'
            )
        canvas = _Canvas(image, corners, self.max_cover)
        key = zlib.crc32(repr(image_id).encode())
        for number in range(SEVERITIES[self.severity]):
            # Each has a generator of its own, so that one without a position moves no other.
            rng = np.random.default_rng((self.seed, key, number))
            canvas.paste(_fitted(patches[rng.integers(len(patches))].pixels, image.shape, rng), rng)
        return Injected(canvas.image, canvas.placed, canvas.share(), canvas.cover())

    def at(self, severity: int) -> 'ClutterInjection':
        """Return the same injection with another severity."""
        other = copy.copy(self)
        other.severity = severity
        return other

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(severity={self.severity}, seed={self.seed}, '
            f'max_cover={self.max_cover}, {len(self.bank)} patches)'
        )


class _Canvas:
    """An image on which patches are pasted, and the pixels of its boxes that they cover."""

    def __init__(self, image: np.ndarray, corners: np.ndarray, max_cover: float) -> None:
        self.image, self.max_cover, self.placed = image.copy(), max_cover, 0
        self.covered: np.ndarray = np.zeros(image.shape[:2], dtype=bool)
        self.area = (corners[:, 2:] - corners[:, :2]).clip(0).prod(1)
        self.windows = box_windows(corners, image.shape)
        self.taken = _integral(self.windows, image.shape)

    def paste(self, patch: np.ndarray, rng: np.random.Generator) -> None:
        """Blend a patch in at a random position, if there is one."""
        height, width = patch.shape[:2]
        position = self._position(height, width, rng)
        if position is None:
            return
        y, x = position
        window = np.s_[y : y + height, x : x + width]
        opacity = _opacity(height, width)[..., None]
        blend = opacity * patch + (1 - opacity) * self.image[window]
        self.image[window] = blend.round().astype(np.uint8)
        self.covered[window] = True
        self.placed += 1

    def share(self) -> float:
        """Return the share of the pixels under patches."""
        return float(self.covered.mean())

    def cover(self) -> np.ndarray:
        """Return the share of each box under patches, counted in whole pixels: an upper bound."""
        pixels = np.array([self.covered[window].sum() for window in self.windows], dtype=float)
        return np.divide(pixels, self.area, out=1.0 * (pixels > 0), where=self.area > 0).clip(0, 1)

    def _position(
        self, height: int, width: int, rng: np.random.Generator
    ) -> Optional[tuple[int, int]]:
        """Return y and x of an allowed position: at random, or else between the boxes."""
        rows, columns = self.covered.shape[0] - height + 1, self.covered.shape[1] - width + 1
        for _ in range(_TRIES if self.max_cover else 0):
            y, x = int(rng.integers(rows)), int(rng.integers(columns))
            if self._allowed(np.s_[y : y + height, x : x + width]):
                return y, x
        return _free_position(self.taken, height, width, rng)

    def _allowed(self, window: tuple[slice, slice]) -> bool:
        """Return whether a patch in the window leaves enough of every box visible."""
        before = self.covered[window].copy()
        self.covered[window] = True
        fits = bool((self.cover() <= self.max_cover).all())
        self.covered[window] = before
        return fits


def cut_patches(
    source: AnnotationSource, images: PathLike, seed: int = 0, progress: Progress = silent
) -> list[Patch]:
    """Cut :data:`BANK_SIZE` patches from a data set, alternately from objects and background.

    Raises:
        UserError: The annotations or an image cannot be read, or nothing can be cut.
    """
    annotations = load_annotations(source)
    paths, boxes = find_images(annotations, images), boxes_by_image(annotations)
    picks = np.random.default_rng((seed, 0)).integers(len(paths), size=BANK_SIZE)
    patches: dict[int, Patch] = {}
    chosen = np.unique(picks).tolist()
    for index in progress(chosen, len(chosen)):
        image = read_image(paths[index], annotations.image_sizes[index])
        for number in np.flatnonzero(picks == index).tolist():
            rng = np.random.default_rng((seed, 1, number))
            cuts = [_cut_object, _cut_background]
            for cut in cuts if number % 2 else reversed(cuts):
                window = cut(image.shape, boxes[index], rng)
                if window is not None:
                    patches[number] = Patch(image[window].copy(), paths[index].resolve())
                    break
    if not patches:
        raise UserError(f'the images of {annotations.source} are too small to cut patches from')
    return [patches[number] for number in sorted(patches)]


def _integral(windows: list[tuple[slice, slice]], shape: tuple[int, ...]) -> np.ndarray:
    """Return the integral image of the pixels in windows, ``(H + 1, W + 1)``."""
    taken = np.zeros(shape[:2], dtype=np.uint8)
    for window in windows:
        taken[window] = 1
    return cv2.integral(taken)


def _free_position(
    taken: np.ndarray, height: int, width: int, rng: np.random.Generator
) -> Optional[tuple[int, int]]:
    """Return y and x of a random position without taken pixels; ``None`` where there is none."""
    inside = taken[height:, width:] - taken[:-height, width:]
    inside = inside - taken[height:, :-width] + taken[:-height, :-width]
    free = np.flatnonzero(inside == 0)
    if not len(free):
        return None
    y, x = divmod(int(free[rng.integers(len(free))]), inside.shape[1])
    return y, x


_Window = Optional[tuple[slice, slice]]


def _cut_object(shape: tuple[int, ...], boxes: np.ndarray, rng: np.random.Generator) -> _Window:
    """Return a window within an object, less than half of it; ``None`` without an object."""
    low = boxes[:, :2].clip(0)
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], (shape[1], shape[0]))
    large = np.flatnonzero((high - low >= _SMALLEST).all(1))
    if not len(large):
        return None
    chosen = large[rng.integers(len(large))]
    size = high[chosen] - low[chosen]
    width, height = np.maximum(size * rng.uniform(*_FRAGMENT, 2), 1).astype(int)
    x, y = (low[chosen] + rng.random(2) * (size - (width, height))).astype(int)
    return np.s_[y : y + height, x : x + width]


def _cut_background(shape: tuple[int, ...], boxes: np.ndarray, rng: np.random.Generator) -> _Window:
    """Return a window that touches no box; ``None`` where there is none."""
    if min(shape[:2]) < _SMALLEST:
        return None
    height, width = _size(shape, rng)
    taken = _integral(box_windows(corners_of(boxes), shape), shape)
    position = _free_position(taken, height, width, rng)
    if position is None:
        return None
    y, x = position
    return np.s_[y : y + height, x : x + width]


def _size(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
    """Return height and width of a random patch for an image of this shape."""
    area = shape[0] * shape[1] * np.exp(rng.uniform(*np.log(PATCH_SHARE)))
    aspect = np.exp(rng.uniform(*np.log(_ASPECT)))
    height, width = (area / aspect) ** 0.5, (area * aspect) ** 0.5
    return min(max(round(height), 1), shape[0]), min(max(round(width), 1), shape[1])


def _fitted(pixels: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return a patch, mirrored or not, resized to a random share of an image."""
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    share = np.exp(rng.uniform(*np.log(PATCH_SHARE)))
    zoom = (share * shape[0] * shape[1] / (pixels.shape[0] * pixels.shape[1])) ** 0.5
    zoom = min(max(zoom, _ZOOM[0]), _ZOOM[1])
    height, width = (
        min(max(round(zoom * n), 1), whole) for n, whole in zip(pixels.shape[:2], shape)
    )
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=method)


def _opacity(height: int, width: int) -> np.ndarray:
    """Return the opacity of a patch, ``(height, width)``: 1, and fading towards the rim."""
    fade = max(_FEATHER * min(height, width), 1)

    def profile(n: int) -> np.ndarray:
        rim = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
        return np.minimum(rim / fade, 1)

    return np.outer(profile(height), profile(width))


def write_injected(
    annotations: PathLike,
    images: PathLike,
    out: PathLike,
    injection: ClutterInjection,
    *,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write a copy of a data set with distractors in its images, in COCO's layout.

    ::

        OUT/annotations.json  the same, except that file names end in .png
        OUT/images/           lossless, so that nothing but the distractors changes
        OUT/injection.json    the parameters, and the distractors of each image

    The folder appears when it is complete.

    Args:
        annotations: COCO annotations; crowd regions are kept visible like objects.
        images: Folder of the images.
        out: Folder to write; it must not exist, or be empty.
        injection: The injection.
        progress: Wraps the images.

    Returns:
        The content of ``injection.json``.

    Raises:
        UserError: The annotations or an image cannot be read, or the folder cannot be written.
    """
    loaded = load_annotations(annotations)
    paths, boxes = find_images(loaded, images), boxes_by_image(loaded)
    names = _png_names(loaded)

    def inject(index: int, folder: Path) -> dict[str, Any]:
        image = read_image(paths[index], loaded.image_sizes[index])
        corners = corners_of(boxes[index])
        injected = injection.inject(image, corners, loaded.image_ids[index], path=paths[index])
        write_bytes(folder / names[index], _png(injected.image))
        cover = float(injected.cover.max(initial=0))
        return {'placed': injected.placed, 'share': injected.share, 'largest_cover': cover}

    with atomic_folder(out) as folder:
        pasted = in_parallel(partial(inject, folder=folder / 'images'), len(paths), progress)
        record = {
            'format': 'mmdet_spatialattn injection',
            'version': 1,
            'severity': injection.severity,
            'seed': injection.seed,
            'max_cover': injection.max_cover,
            'distractors': SEVERITIES[injection.severity],
            'images': {str(key): row for key, row in zip(loaded.image_ids, pasted)},
        }
        write_json(folder / 'injection.json', record)
        data, new_names = read_json(annotations), dict(zip(loaded.image_ids, names))
        data['images'] = [{**row, 'file_name': new_names[row['id']]} for row in data['images']]
        write_json(folder / 'annotations.json', data, indent=None)
    return record


def write_doses(
    annotations: PathLike,
    images: PathLike,
    out: PathLike,
    injection: ClutterInjection,
    severities: Sequence[int],
    *,
    progress: Progress = silent,
) -> None:
    """Write a data set without distractors and at several severities, all in one set.

    ::

        OUT/annotations.json      every image once per severity, with ``severity`` (0 for none) and
                                  ``original``, its id in the given set
        OUT/images/severity<s>/   lossless
        OUT/injection.json        the parameters

    Args:
        annotations: COCO annotations.
        images: Folder of the images.
        out: Folder to write; it must not exist, or be empty.
        injection: The injection; its own severity has no effect.
        severities: Severities from 1 to 5, in addition to 0.
        progress: Wraps the images.

    Raises:
        UserError: The annotations or an image cannot be read, or the folder cannot be written.
    """
    loaded = load_annotations(annotations)
    paths, boxes = find_images(loaded, images), boxes_by_image(loaded)
    names = _png_names(loaded)
    all_severities = (0, *severities)

    def write(index: int, folder: Path) -> None:
        image = read_image(paths[index], loaded.image_sizes[index])
        corners = corners_of(boxes[index])
        for severity in all_severities:
            pixels = image
            if severity:
                injected = injection.at(severity).inject(
                    image, corners, loaded.image_ids[index], path=paths[index]
                )
                pixels = injected.image
            write_bytes(folder / f'severity{severity}' / names[index], _png(pixels))

    data, new_names = read_json(annotations), dict(zip(loaded.image_ids, names))
    rows: dict[str, list[dict]] = {'images': [], 'annotations': []}
    for severity in all_severities:
        new_ids = {}
        for row in data['images']:
            new_ids[row['id']] = new_id = len(rows['images']) + 1
            fields = {'id': new_id, 'severity': severity, 'original': row['id']}
            name = f'severity{severity}/{new_names[row["id"]]}'
            rows['images'].append({**row, **fields, 'file_name': name})
        for row in data['annotations']:
            ids = {'id': len(rows['annotations']) + 1, 'image_id': new_ids[row['image_id']]}
            rows['annotations'].append({**row, **ids})
    with atomic_folder(out) as folder:
        in_parallel(partial(write, folder=folder / 'images'), len(paths), progress)
        write_json(folder / 'annotations.json', {**data, **rows}, indent=None)
        record = doses_record(annotations, severities, injection.seed, injection.max_cover)
        write_json(folder / 'injection.json', record)


def doses_record(
    annotations: PathLike, severities: Sequence[int], seed: int = 0, max_cover: float = 0.0
) -> dict[str, Any]:
    """Return the content of the ``injection.json`` of :func:`write_doses`."""
    return {
        'format': 'mmdet_spatialattn injection by dose',
        'version': 1,
        'severities': list(severities),
        'seed': seed,
        'max_cover': max_cover,
        'annotations': str(annotations),
        'content': content_hash(annotations),
    }


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode('.png', image)[1].tobytes()


def _png_names(annotations: Annotations) -> list[str]:
    """Return names that end in .png, each image its own.

    The old suffix is kept where two names would be equal without it, and the id of the image is
    added where they still are: each has objects of its own to keep visible.
    """
    names = annotations.file_names
    for name in names:
        if PurePosixPath(name).is_absolute() or '..' in PurePosixPath(name).parts:
            raise UserError(
                f'file_name {name!r} is outside of the folder of images; make it relative to it'
            )
    new = [str(PurePosixPath(name).with_suffix('.png')) for name in names]
    count = Counter(new)
    new = [f'{old}.png' if count[name] > 1 else name for old, name in zip(names, new)]
    count = Counter(new)
    return [
        str(PurePosixPath(name).with_suffix(f'.{image_id}.png')) if count[name] > 1 else name
        for image_id, name in zip(annotations.image_ids, new)
    ]


def severities_table() -> str:
    """Return the severities as Markdown."""
    low, high = PATCH_SHARE
    mean = (high - low) / np.log(high / low)  # mean of a number whose logarithm is uniform
    rows = [f'| {s} | {n} | {n * mean:.0%} |' for s, n in SEVERITIES.items()]
    header = '| severity | distractors | share of the pixels, at most about |'
    return '\n'.join([header, '|---|---|---|', *rows])
