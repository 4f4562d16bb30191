"""Random detection problems, with every trap that COCO files hold; and pycocotools' answer."""

import contextlib
import copy
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def random_problem(
    rng,
    n_images=6,
    n_classes=3,
    objects=6,
    detections=12,
    crowd=0.15,
    ties=True,
    side=200,
):
    """Return annotations and detections, as JSON would hold them.

    Images without objects, classes without objects, crowd regions, boxes that leave the image,
    areas that are not those of the boxes, ids that are not in order.
    """
    annotations, entries = [], []
    image_ids = (rng.permutation(n_images * 3)[:n_images] + 1).tolist()
    category_ids = (rng.permutation(n_classes * 2)[:n_classes] + 1).tolist()
    used_classes = category_ids[: max(1, n_classes - 1)]
    for image_id in image_ids:
        boxes = np.exp(rng.uniform(1.5, 4.8, (rng.integers(0, objects + 1), 4))).round(1)
        boxes[:, :2] = rng.uniform(-10, side, (len(boxes), 2)).round(1)
        classes = rng.choice(used_classes, len(boxes)).tolist()
        for box, category_id in zip(boxes.tolist(), classes):
            annotations.append(
                {
                    'id': len(annotations) * 7 + 3,
                    'image_id': image_id,
                    'category_id': category_id,
                    'bbox': box,
                    'area': box[2] * box[3] * float(rng.uniform(0.4, 1)),
                    'iscrowd': int(rng.random() < crowd),
                }
            )
        for _ in range(rng.integers(0, detections + 1)):
            if len(boxes) and rng.random() < 0.7:
                index = rng.integers(len(boxes))
                box = boxes[index] * np.exp(rng.normal(0, 0.08, 4))
                category_id = classes[index] if rng.random() < 0.8 else rng.choice(category_ids)
            else:
                box = np.concatenate([rng.uniform(-10, side, 2), np.exp(rng.uniform(1.5, 4.8, 2))])
                category_id = rng.choice(category_ids)
            entries.append(
                {
                    'image_id': image_id,
                    'category_id': int(category_id),
                    'bbox': box.round(1).tolist(),
                    'score': round(float(rng.random()), 1 if ties else 9),
                }
            )
    rng.shuffle(annotations)
    rng.shuffle(entries)
    truth = {
        'images': [{'id': i, 'width': side, 'height': side} for i in image_ids],
        'categories': [{'id': k, 'name': f'class {k}'} for k in category_ids],
        'annotations': annotations,
    }
    return truth, entries


def with_masks(rng, truth, detections):
    """Give every object and detection a polygon inside its box."""

    def polygon(box):
        x, y, w, h = box
        angles = np.sort(rng.uniform(0, 2 * np.pi, 6))
        points = np.stack([x + w * (1 + np.cos(angles)) / 2, y + h * (1 + np.sin(angles)) / 2], 1)
        return [points.round(1).ravel().tolist()]

    for entry in (*truth['annotations'], *detections):
        entry['segmentation'] = polygon(entry['bbox'])
    return truth, detections


def pycocotools_evaluate(truth, detections, iou_type='bbox', caps=(1, 10, 100)):
    """Run pycocotools on copies; returns its ``COCOeval`` after ``accumulate``."""
    with contextlib.redirect_stdout(io.StringIO()):
        ground, results = COCO(), COCO()
        ground.dataset = copy.deepcopy(truth)
        ground.createIndex()
        if detections:
            results = ground.loadRes(copy.deepcopy(detections))
        else:  # loadRes cannot say that nothing was found
            results.dataset = {**ground.dataset, 'annotations': []}
            results.createIndex()
        evaluator = COCOeval(ground, results, iou_type)
        evaluator.params.maxDets = list(caps)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator
