"""A set of clutter digits in files, in COCO's format.

::

    OUT/scenes.json                   the parameters of the set
    OUT/annotations/{train,val}.json  every scene at every level, or at one (``mixed``)
    OUT/annotations/train_mixed.json  every training scene once, at one of the levels in turn
    OUT/images/val_00012_level3.png

Besides COCO's own keys, an image has ``scene`` and ``level``; an annotation has ``cover`` (the
exact share of its box that the union of the other boxes covers) and ``glyph`` (its row in
scikit-learn's set). ``bbox`` is the full extent of the digit, hidden parts included, in whole
pixels; ``area`` is the area of the box, so that COCO's size classes mean size and not visibility;
``segmentation`` is the visible ink (compressed RLE). Image ids are ``5 * scene + level + 1``: a
scene at a level has the same id in every set.
"""

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..io import (
    PathLike,
    atomic_folder,
    differences,
    is_empty_folder,
    read_json,
    write_bytes,
    write_json,
    writing,
)
from ..processors import Progress, silent
from .digits import LEVELS, SPLITS, Scene, load_glyphs, render_scene

MANIFEST = 'scenes.json'
FORMAT = 'clutter digits, version 1'  # a change of the pictures is a new version
ANNOTATIONS = (*SPLITS, 'train_mixed')
VAL_SHARE = 5  # one scene in five is for validation
SIZES = (64, 640)  # pixels; the largest digit fits, and val has enough digits

_CATEGORIES = [{'id': k + 1, 'name': str(k), 'supercategory': 'digit'} for k in range(10)]


def write_scenes(
    out: PathLike,
    images: int = 1000,
    *,
    levels: Iterable[int] = LEVELS,
    size: int = 160,
    seed: int = 0,
    mixed: bool = False,
    progress: Progress = silent,
) -> bool:
    """Write a set of clutter digits, unless the same set is there already.

    The folder appears when it is complete; an interrupted call leaves none. Every image is a
    function of seed, split, scene, level and size, and independent of the rest of the set.

    Args:
        out: Folder of the set.
        images: Number of scenes, each rendered at every level; one in five is for validation.
        levels: Clutter levels, from 0 to 4.
        size: Side of the images in pixels.
        seed: Seed of the whole set.
        mixed: Whether each scene is rendered at one level instead, the levels in turn: as many
            independent scenes as images.
        progress: Wraps the scenes, whose number it is given, to show progress.

    Returns:
        Whether the set was written; ``False`` if it existed.

    Raises:
        UserError: An argument is out of range, ``out`` holds something else or cannot be written,
            or scikit-learn is not installed (:class:`~mmdet_spatialattn.errors.MissingExtra`).
    """
    out = Path(out)
    levels = check_scenes(images, levels, size, seed)
    manifest = dict(format=FORMAT, images=images, levels=levels, size=size, seed=seed, mixed=mixed)
    if _is_there(out, manifest):
        return False
    n_val = max(images // VAL_SHARE, 1)
    counts = {'train': images - n_val, 'val': n_val}
    jobs = [(split, index) for split in SPLITS for index in range(counts[split])]
    for split in SPLITS:
        load_glyphs(split)
    with atomic_folder(out) as folder:
        coco: dict[str, dict[str, Any]] = {name: _empty(manifest) for name in ANNOTATIONS}
        for split, index in progress(jobs, len(jobs)):
            turn = levels[index % len(levels)]
            scene = render_scene(split, index, [turn] if mixed else levels, size, seed)
            objects = _objects(scene)
            for level, pixels in scene.images.items():
                name = f'{split}_{index:05d}_level{level}.png'
                write_bytes(folder / 'images' / name, encode_png(pixels))
                _add(coco[split], name, index, level, size, objects)
                if split == 'train' and level == turn:
                    _add(coco['train_mixed'], name, index, level, size, objects)
        for name, content in coco.items():
            write_json(folder / 'annotations' / f'{name}.json', content, indent=None)
        write_json(folder / MANIFEST, manifest)
    return True


def encode_png(image: np.ndarray) -> bytes:
    """Encode ``(H, W, 3)`` RGB of uint8 as PNG, every row as its difference from the row above.

    Image libraries try five filters per row, which takes twice the time here, and their choice
    differs between versions.
    """
    height, width, _ = image.shape
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = 2  # filter type 'up'
    flat = image.reshape(height, -1)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    chunks = (
        (b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)),
        (b'IDAT', zlib.compress(rows.tobytes(), 1)),
        (b'IEND', b''),
    )
    framed = (
        struct.pack('>I', len(data)) + tag + data + struct.pack('>I', zlib.crc32(tag + data))
        for tag, data in chunks
    )
    return b'\x89PNG\r\n\x1a\n' + b''.join(framed)


def check_scenes(
    images: int, levels: Iterable[int] = LEVELS, size: int = 160, seed: int = 0
) -> list[int]:
    """Check the parameters of a set; return the levels, sorted and without repetition.

    Raises:
        UserError: One of them is out of range.
    """
    levels = sorted(set(levels))
    if images < 2:
        raise UserError(f'images must be at least 2 (one to train, one to validate), got {images}')
    if not levels or levels[0] < LEVELS[0] or levels[-1] > LEVELS[-1]:
        given = ', '.join(map(str, levels)) or 'none'
        raise UserError(f'levels go from {LEVELS[0]} to {LEVELS[-1]}, got {given}')
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(f'size goes from {SIZES[0]} to {SIZES[1]} pixels, got {size}')
    if not 0 <= seed < 2**32:
        raise UserError(f'seed must be from 0 to 2**32 - 1, got {seed}')
    return levels


def _is_there(out: Path, manifest: dict[str, Any]) -> bool:
    """Return whether ``out`` holds the set of ``manifest``; ``False`` if it is absent or empty."""
    with writing(out):
        if not out.exists() or is_empty_folder(out):
            return False
    if not (out / MANIFEST).is_file():
        raise UserError(f'{out} exists and is not a set of scenes: give a new or an empty folder')
    stored = read_json(out / MANIFEST)
    if isinstance(stored, dict):
        stored.setdefault('mixed', False)  # older sets do not say it
    changes = differences(stored, manifest)
    if changes:
        raise UserError(f'{out} holds another set ({changes}): give another folder')
    expected = manifest['images'] * (1 if manifest['mixed'] else len(manifest['levels']))
    n_files = sum(1 for _ in (out / 'images').glob('*.png'))
    annotated = all((out / 'annotations' / f'{name}.json').is_file() for name in ANNOTATIONS)
    if n_files != expected or not annotated:
        raise UserError(
            f'{out} is incomplete ({n_files} of {expected} images exist): give another folder, or '
            'remove this one if it is yours to make again'
        )
    return True


def _empty(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        'info': {'description': 'Clutter digits', **manifest},
        'licenses': [
            {
                'id': 1,
                'name': 'CC BY 4.0: UCI Optical Recognition of Handwritten Digits',
                'url': 'https://archive.ics.uci.edu/dataset/80',
            }
        ],
        'categories': _CATEGORIES,
        'images': [],
        'annotations': [],
    }


def _objects(scene: Scene) -> list[dict[str, Any]]:
    """Return the content of the annotations of a scene that is the same at all levels."""
    from pycocotools import mask

    visible = np.arange(1, len(scene.labels) + 1)[:, None, None] == scene.owner.T  # (n, W, H)
    rles = mask.encode(visible.astype(np.uint8, order='C').T)  # (H, W, n), in Fortran order
    return [
        {
            'category_id': label + 1,
            'bbox': box,
            'area': box[2] * box[3],
            'iscrowd': 0,
            'segmentation': {'size': rle['size'], 'counts': rle['counts'].decode()},
            'cover': cover,
            'glyph': glyph,
        }
        for label, box, rle, cover, glyph in zip(
            scene.labels.tolist(),
            scene.boxes.tolist(),
            rles,
            scene.cover.tolist(),
            scene.glyphs.tolist(),
        )
    ]


def _add(
    coco: dict[str, Any], name: str, index: int, level: int, size: int, objects: list[dict]
) -> None:
    image_id = len(LEVELS) * index + level + 1
    coco['images'].append(
        {
            'id': image_id,
            'file_name': name,
            'width': size,
            'height': size,
            'license': 1,
            'scene': index,
            'level': level,
        }
    )
    for content in objects:
        annotation_id = len(coco['annotations']) + 1
        coco['annotations'].append({'id': annotation_id, 'image_id': image_id, **content})
