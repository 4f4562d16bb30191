"""The forms in which files hold detections, brought to the records of COCO's result format.

===============================  ================================================================
file                             what differs from COCO's result format
===============================  ================================================================
``test --out FILE.pkl`` of       a pickle with one sample per image; boxes by their corners; labels
MMDetection, or of this package  that count the classes from 0 in the order of the annotation file
FiftyOne's COCO export of        an object with images, classes and ids of its own, which are
predictions                      matched by file name and by class name
a list with names of images      an ``image_id`` is a file name, or a file name without folder and
                                 suffix
===============================  ================================================================

detectron2's ``coco_instances_results.json`` is in COCO's format, with masks beside the boxes.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError, did_you_mean
from .annotations import Annotations
from .fields import column, describe_value, lookup, positions_by_id, read_source

PICKLES = ('.pkl', '.pickle')
"""Suffixes of pickles; other files are JSON."""


class Records(NamedTuple):
    """Detections as records of COCO's result format.

    Attributes:
        entries: A record per detection.
        source: The file, or another name for messages.
        location: Location of the records in messages.
        notes: What a user should know, one sentence each.
    """

    entries: Sequence[dict]
    source: str
    location: str
    notes: tuple[str, ...] = ()


def read_records(source: Any, annotations: Annotations, *, iou_type: str = 'bbox') -> Records:
    """Read detections of any of the forms.

    Args:
        source: A file or its content.
        annotations: The annotations that the detections belong to.
        iou_type: With ``'segm'``, a sample's mask scores are its scores, where it has some.

    Raises:
        UserError: The file cannot be read or has another form, or its images, classes or labels are
            not those of the annotations.
    """
    is_pickle = isinstance(source, (str, os.PathLike)) and os.fspath(source).endswith(PICKLES)
    if is_pickle:
        from ..compat.predictions import load_predictions  # imports torch

        data, name = load_predictions(source), os.fspath(source)
    else:
        data, name = read_source(source, 'the detections')
    if isinstance(data, dict):
        records = _records_of_export(data, name, annotations)
    elif not isinstance(data, (list, tuple)):
        raise UserError(f'{name} holds {describe_value(data)}; expected a list of detections')
    elif data and (is_pickle or _is_sample(data[0])):
        records = _records_of_samples(data, name, annotations, iou_type)
    else:
        records = Records(data, name, name)
    return _with_image_ids(records, annotations)


def sample_records(
    sample: dict, category_ids: Sequence[int], location: str, *, mask_scores: bool = False
) -> list[dict]:
    """Return the detections of one image as records of COCO's result format.

    Args:
        sample: A ``DetDataSample`` of MMDetection as a dictionary, its masks as run lengths.
        category_ids: The ids of the classes, in the order of the labels.
        location: Location of the sample in messages.
        mask_scores: Whether the scores of the masks are the scores, where the sample has some.

    Raises:
        UserError: Its instances are incomplete, or a label is not that of a class.
    """
    if not _is_sample(sample):
        raise UserError(
            f"{location} is {describe_value(sample)}; expected an object with 'img_id' and "
            "'pred_instances', as MMDetection 3 writes them"
        )
    instances = sample['pred_instances']
    try:
        boxes = np.asarray(instances['bboxes'], dtype=float).reshape(-1, 4).copy()
        score_key = 'mask_scores' if mask_scores and 'mask_scores' in instances else 'scores'
        scores = np.asarray(instances[score_key], dtype=float)
        labels = np.asarray(instances['labels'], dtype=np.int64)
        masks = [_as_text(mask) for mask in instances.get('masks', ())]
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{location}: pred_instances needs 'bboxes', 'scores' and 'labels', and 'masks' as run "
            f'lengths if there are some ({type(error).__name__}: {error})'
        ) from error
    if scores.shape != (len(boxes),) or labels.shape != (len(boxes),):
        raise UserError(
            f'{location}: pred_instances has {len(boxes)} bboxes, {scores.size} scores and '
            f'{labels.size} labels; expected one of each per detection'
        )
    unknown = labels[(labels < 0) | (labels >= len(category_ids))]
    if len(unknown):
        raise UserError(
            f'{location}: label {unknown[0]}, but the annotations have {len(category_ids)} classes '
            f'(labels 0 to {len(category_ids) - 1}); give those that the detector was tested on'
        )
    boxes[:, 2:] -= boxes[:, :2]  # corners to sizes
    records = [
        {
            'image_id': sample['img_id'],
            'category_id': category_ids[label],
            'bbox': box,
            'score': score,
        }
        for label, box, score in zip(labels, boxes.tolist(), scores.tolist())
    ]
    for record, mask in zip(records, masks):
        record['segmentation'] = mask
    return records


def _is_sample(value: Any) -> bool:
    return isinstance(value, dict) and 'img_id' in value and 'pred_instances' in value


def _as_text(mask: dict) -> dict:
    """Return run lengths as JSON holds them."""
    counts = mask['counts']
    text = counts.decode('ascii') if isinstance(counts, bytes) else counts
    return {'size': list(mask['size']), 'counts': text}


def _records_of_samples(
    samples: Sequence[dict], name: str, annotations: Annotations, iou_type: str
) -> Records:
    category_ids = annotations.file_category_ids or annotations.category_ids
    entries: list[dict] = []
    for i, sample in enumerate(samples):
        entries += sample_records(
            sample, category_ids, f'{name}[{i}]', mask_scores=iou_type == 'segm'
        )
    names = dict(zip(annotations.category_ids, annotations.category_names))
    labels = ', '.join(f'{i} = {names[key]}' for i, key in enumerate(category_ids[:5]))
    more = ', ...' if len(category_ids) > 5 else ''
    notes = [
        f'labels in pickles are the classes of {annotations.source} in the order of the file '
        f'({labels}{more}): if the detector was tested with fewer classes or another order, write '
        'its detections with test --out-json',
        *_note_on_images(len(samples), annotations),
    ]
    return Records(entries, name, f'{name}: detections', tuple(notes))


def _records_of_export(data: dict, name: str, annotations: Annotations) -> Records:
    """Return the records of an annotation file whose objects are detections with scores."""
    parts: list[Any] = [data.get(key) for key in ('images', 'categories', 'annotations')]
    if not all(isinstance(part, list) for part in parts):
        hint = ' (this is an annotation file)' if 'images' in data else ''
        raise UserError(f'{name} is an object{hint}; expected a list of detections')
    images, categories, objects = parts
    if not any(isinstance(record, dict) and 'score' in record for record in objects):
        raise UserError(
            f'{name} is an object (this is an annotation file), and its objects have no score; '
            'expected detections: a list, or an export of predictions with a score for each'
        )
    file_names = _by_id(images, 'file_name', f'{name}: images')
    class_names = _by_id(categories, 'name', f'{name}: categories')
    location = f'{name}: annotations'
    image, category = (
        lookup(objects, key, {value: i for i, value in enumerate(known)}, location, name)
        for key, known in (('image_id', file_names), ('category_id', class_names))
    )
    ids = dict(zip(annotations.category_names, annotations.category_ids))
    names, files = [*class_names.values()], [*file_names.values()]
    for i in sorted(set(category.tolist())):
        if names[i] not in ids:
            raise UserError(
                f"{name}: class '{names[i]}' is not a class of {annotations.source}"
                f'{did_you_mean(names[i], ids)} (its classes: {", ".join(ids)})'
            )
    entries = [
        {**record, 'image_id': files[i], 'category_id': ids[names[k]]}
        for record, i, k in zip(objects, image.tolist(), category.tolist())
    ]
    return Records(entries, name, location, tuple(_note_on_images(len(files), annotations)))


def _by_id(records: list, key: str, location: str) -> dict[Any, str]:
    """Return a field of records by their ids."""
    positions = positions_by_id(records, location, strings=True)
    values = column(records, key, location)
    return {record_id: str(values[i]) for record_id, i in positions.items()}


def _note_on_images(n_images: int, annotations: Annotations) -> list[str]:
    expected = len(annotations.image_ids)
    if n_images >= expected:
        return []
    return [
        f'a file of detections covers {n_images} of the {expected} images of {annotations.source}: '
        'nothing counts as detected in the others'
    ]


def _with_image_ids(records: Records, annotations: Annotations) -> Records:
    """Replace the names of images by their ids, where the records have names.

    Raises:
        UserError: A name is that of no image, or of several.
    """
    known = set(annotations.image_ids)
    values = column(records.entries, 'image_id', records.location)
    if not all(isinstance(value, str) for value in values) or all(v in known for v in values):
        return records
    by_name = _image_ids_by_name(annotations)
    by_name.update({image_id: [image_id] for image_id in known})
    paths = [PurePosixPath(value.replace('\\', '/')) for value in values]
    found = [by_name.get(v) or by_name.get(path.name, []) for v, path in zip(values, paths)]
    failed = [i for i, image_ids in enumerate(found) if len(image_ids) != 1]
    if failed:
        start = f'{records.location}[{failed[0]}]: image_id {values[failed[0]]!r:.60}'
        raise _name_error(start, found[failed[0]], f'{len(failed)} of {len(found)}', annotations)
    entries = [
        {**record, 'image_id': image_ids[0]} for record, image_ids in zip(records.entries, found)
    ]
    note = f'images of detections are matched with the file names of {annotations.source}'
    return records._replace(entries=entries, notes=(*records.notes, note))


def _image_ids_by_name(annotations: Annotations) -> dict[Any, list]:
    """Return the images of every file name, with and without its folder and suffix."""
    by_name: dict[Any, list] = defaultdict(list)
    for image_id, file_name in zip(annotations.image_ids, annotations.file_names):
        path = PurePosixPath(file_name)
        for name in {file_name, path.name, path.stem} - {''}:
            by_name[name].append(image_id)
    return by_name


def _name_error(start: str, image_ids: list, share: str, annotations: Annotations) -> UserError:
    """Return the error for a name that is that of no image, or of several."""
    if image_ids:
        files = dict(zip(annotations.image_ids, annotations.file_names))
        examples = ' and '.join(files[image_id] for image_id in image_ids[:2])
        return UserError(
            f'{start} is the name of {len(image_ids)} images of {annotations.source} ({examples}); '
            'give the file_name with its folder, or the id'
        )
    example = annotations.image_ids[0]
    is_text = isinstance(example, str)
    ids = 'no id there' if is_text else f'the ids there are of another type (as {example!r})'
    return UserError(
        f'{start} is not an image of {annotations.source} ({share} entries have such an id); '
        f'{ids}, and no file there has this name, with or without its suffix; do the two belong '
        'to the same split?'
    )
