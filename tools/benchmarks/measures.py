"""Time the clutter measures on a set of the size of COCO val2017, and the pixel measures per image.

    python tools/benchmarks/measures.py [--images 5000] [--json FILE]

The peer is pycocotools' compiled `maskUtils.iou`, called once per image. It gives the pairwise IoU
and so the largest IoU, which is one of our eleven measures; the two are checked to be equal. Each
line is the median of five rounds in processor time, which other work on the machine disturbs less
than wall time.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as mask_utils

from mmdet_spatialattn.clutter import clutter_measures
from mmdet_spatialattn.clutter.measures import measure_images, measure_objects
from mmdet_spatialattn.clutter.pixels import edge_density, feature_congestion
from mmdet_spatialattn.coco import load_annotations
from mmdet_spatialattn.io import write_json

OBJECTS_PER_IMAGE, CLASSES, SIZE = 36928 / 5000, 80, (640, 480)


def random_annotations(n_images: int) -> dict:
    """Return a data set with COCO's number of objects per image and a wide range of box sizes."""
    rng = np.random.default_rng(0)
    n = round(n_images * OBJECTS_PER_IMAGE)
    popularity = rng.gamma(1.0, size=n_images)  # most images hold few objects, some very many
    image = np.sort(rng.choice(n_images, n, p=popularity / popularity.sum()))
    size = np.exp(rng.normal(4, 1, (n, 2))).clip(2, np.array(SIZE) * 0.95)
    boxes = np.concatenate([rng.random((n, 2)) * (SIZE - size), size], axis=1).round(2).tolist()
    category = rng.integers(1, CLASSES + 1, n).tolist()
    return {
        'images': [{'id': k, 'width': SIZE[0], 'height': SIZE[1]} for k in range(n_images)],
        'categories': [{'id': k, 'name': str(k)} for k in range(1, CLASSES + 1)],
        'annotations': [
            {'id': k + 1, 'image_id': i, 'category_id': c, 'bbox': b, 'iscrowd': 0}
            for k, (i, c, b) in enumerate(zip(image.tolist(), category, boxes))
        ],
    }


def peer_max_iou(boxes: np.ndarray, image: np.ndarray, n_images: int) -> np.ndarray:
    """Return the largest IoU of each box, image by image with pycocotools."""
    largest = np.zeros(len(boxes))
    order = np.argsort(image, kind='stable')
    starts = np.searchsorted(image[order], np.arange(n_images + 1))
    for start, end in zip(starts, starts[1:]):
        members = order[start:end]
        if len(members) > 1:
            iou = mask_utils.iou(boxes[members], boxes[members], np.zeros(len(members)))
            np.fill_diagonal(iou, 0)
            largest[members] = iou.max(0)
    return largest


def seconds(function, *args) -> float:
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--json', metavar='FILE')
    args = parser.parse_args()
    cv2.setNumThreads(1)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'ann.json'
        path.write_text(json.dumps(random_annotations(args.images)))
        loaded = load_annotations(path)
        boxes_and_images = (loaded.boxes, loaded.image, args.images)
        np.testing.assert_allclose(
            measure_objects(loaded)['max_iou'], peer_max_iou(*boxes_and_images)
        )
        picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
        picture = cv2.GaussianBlur(picture, (0, 0), 3)
        boxes = np.array([[100, 100, 200, 150], [400, 50, 60, 200], [350, 300, 120, 90]])
        works = {
            'read file and measure all': (clutter_measures, path),
            'object measures': (measure_objects, loaded),
            'image measures': (measure_images, loaded),
            'peer: maskUtils.iou': (peer_max_iou, *boxes_and_images),
            'feature congestion, 640 x 480': (feature_congestion, picture, boxes),
            'edge density, 640 x 480': (edge_density, picture, boxes),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(args.repeats):
            for name, (function, *arguments) in works.items():
                times[name].append(seconds(function, *arguments))
    rows = {name: statistics.median(values) for name, values in times.items()}
    print(f'{len(loaded)} boxes in {args.images} images; median of {args.repeats}')
    for name, value in rows.items():
        print(f'{name:<32} {1000 * value:10.1f} ms')
    if args.json:
        write_json(args.json, {'images': args.images, 'boxes': len(loaded), 'seconds': rows})


if __name__ == '__main__':
    main()
