"""Compile the loops of a comparison before it is needed."""

from .compare import compare


def warm_up() -> None:
    """Compile the loops of :func:`compare`, so that the next comparison starts at once.

    Compiling takes seconds on a machine that has not done it before; they can pass while something
    else runs.
    """
    box = [10.0, 10.0, 20.0, 20.0]
    annotations = {
        'images': [{'id': i, 'width': 64, 'height': 64} for i in (1, 2)],
        'categories': [{'id': 1, 'name': 'object'}],
        'annotations': [
            {'id': i, 'image_id': i, 'category_id': 1, 'bbox': box, 'area': 400.0, 'iscrowd': 0}
            for i in (1, 2)
        ],
    }
    detections = [{'image_id': i, 'category_id': 1, 'bbox': box, 'score': 0.5} for i in (1, 2)]
    compare(annotations, {'first': [detections], 'second': [detections]}, n_boot=100, threads=1)
