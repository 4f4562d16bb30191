"""The clutter of a data set: every measure of every object and image, as one table."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from ..coco import (
    Annotations,
    AnnotationSource,
    boxes_by_image,
    find_images,
    load_annotations,
    read_image,
)
from ..errors import UserError, did_you_mean, require
from ..io import PathLike, read_json, write_json
from ..processors import Progress, in_parallel, silent
from ..tables import short, text_table
from .measures import MEANINGS, measure_images, measure_objects
from .scopes import SIZES, Scope, members
from .strata import ENOUGH, stratify

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects

FORMAT = 'mmdet_spatialattn clutter'
VERSION = 1


@dataclass(frozen=True, eq=False)
class ClutterTable:
    """Clutter measures of a data set.

    Attributes:
        annotations: The data set.
        objects: Measures of the objects, each ``(n,)`` in the order of the annotations; NaN for a
            crowd region and where an object has no such number.
        images: Measures of the images, each ``(I,)`` in the order of ``annotations.image_ids``;
            NaN where an image has no such number.
    """

    annotations: Annotations
    objects: dict[str, np.ndarray]
    images: dict[str, np.ndarray]

    def of_objects(self, measure: str) -> np.ndarray:
        """Return a measure for every object, ``(n,)``; one of images as that of its image.

        Raises:
            UserError: The table has no such measure.
        """
        if measure in self.objects:
            return self.objects[measure]
        if measure not in self.images:
            known = (*self.objects, *self.images)
            raise UserError(
                f"no clutter measure '{measure}' in the table{did_you_mean(measure, known)} "
                f'(it has {", ".join(known)})'
            )
        values = self.images[measure][self.annotations.image]
        return np.where(self.annotations.iscrowd, np.nan, values)

    def mean_of_image(self, measure: str) -> np.ndarray:
        """Return the mean of an object measure over each image's objects, ``(I,)``; NaN for none.

        Raises:
            UserError: The table has no such measure.
        """
        values, image = self.of_objects(measure), self.annotations.image
        known = ~np.isnan(values)
        n_images = len(self.annotations.image_ids)
        count = np.bincount(image[known], minlength=n_images)
        total = np.bincount(image[known], weights=values[known], minlength=n_images)
        return np.divide(total, count, out=np.full(n_images, np.nan), where=count > 0)

    def distributions(self) -> list[dict[str, Any]]:
        """Return number, mean, median, 90th percentile and maximum of each measure."""
        rows = []
        for of, columns in (('object', self.objects), ('image', self.images)):
            for name, values in columns.items():
                known = values[~np.isnan(values)]
                row: dict[str, Any] = {'measure': name, 'of': of, 'n': len(known)}
                if len(known):
                    median, high = np.quantile(known, (0.5, 0.9)).tolist()
                    row |= {'mean': float(known.mean()), 'median': median, 'p90': high}
                    row['max'] = float(known.max())
                rows.append(row)
        return rows

    def correlations(self) -> dict[str, dict[str, dict[str, Optional[float]]]]:
        """Return Spearman's rank correlation of each two measures, of objects and of images.

        Size is among them, for images as the mean over their objects: crowded objects
        are smaller, and what looks like an effect of clutter may be one of size.
        """
        images = {**self.images, 'mean rel_size': self.mean_of_image('rel_size')}
        tables = {}
        for of, columns in (('objects', self.objects), ('images', images)):
            names = [name for name, values in columns.items() if not np.isnan(values).all()]
            tables[of] = {a: {b: spearman(columns[a], columns[b]) for b in names} for a in names}
        return tables

    def strata(self, rule: str = 'cover') -> list[dict[str, Any]]:
        """Return how many objects, of which sizes, and images each stratum holds.

        ``enough`` is false under :data:`ENOUGH` objects: such a stratum allows no conclusion.

        Raises:
            UserError: The rule cannot be read or applied; see
                :meth:`~mmdet_spatialattn.clutter.strata.Strata.parse`.
        """
        of = self.annotations
        if of.iscrowd.all():
            return []
        strata = stratify(of, rule)
        by_size = {size: members([Scope(size=size)], of.area, strata.labels)[0] for size in SIZES}
        rows = []
        for label, name in enumerate(strata.names):
            mine = strata.labels == label
            n = int(mine.sum())
            row: dict[str, Any] = {'stratum': name, 'objects': n, 'enough': n >= ENOUGH}
            row['images'] = len(np.unique(of.image[mine]))
            row |= {size: int((mine & inside).sum()) for size, inside in by_size.items()}
            rows.append(row)
        return rows

    def summary(self) -> dict[str, Any]:
        """Return what the text and the page show, as data."""
        of = self.annotations
        return {
            'annotations': of.source,
            'objects': int((~of.iscrowd).sum()),
            'crowd_regions': int(of.iscrowd.sum()),
            'images': len(of.image_ids),
            'distributions': self.distributions(),
            'correlations': self.correlations(),
            'strata': self.strata(),
            'notes': list(of.notes),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the sidecar: measures by annotation id and by image id, for any tool.

        Crowd regions are left out; ``null`` stands where there is no number.
        """
        objects = dict(zip(self.annotations.ids.tolist(), _rows(self.objects)))
        for crowd in self.annotations.ids[self.annotations.iscrowd].tolist():
            del objects[crowd]
        return {
            'format': FORMAT,
            'version': VERSION,
            'annotations': Path(self.annotations.source).name,
            'meanings': {name: MEANINGS[name] for name in (*self.objects, *self.images)},
            'objects': {str(key): row for key, row in objects.items()},
            'images': dict(zip(map(str, self.annotations.image_ids), _rows(self.images))),
        }

    def write(self, path: PathLike) -> None:
        """Write the sidecar of :meth:`to_json`, atomically."""
        write_json(path, self.to_json(), indent=None)

    @classmethod
    def read(cls, path: PathLike, annotations: AnnotationSource) -> 'ClutterTable':
        """Read a sidecar of these annotations.

        Raises:
            UserError: The file is no sidecar of this version, or not of these annotations.
        """
        annotations, data = load_annotations(annotations), read_json(path)
        if not isinstance(data, dict) or data.get('format') != FORMAT:
            raise UserError(f'{path} is no clutter sidecar; spatialattn clutter --out writes one')
        if data.get('version') != VERSION:
            raise UserError(
                f'{path} has version {data.get("version")}, this release reads {VERSION}; '
                'write it again with spatialattn clutter --out'
            )
        objects = annotations.ids[~annotations.iscrowd].tolist()
        return cls(
            annotations,
            _columns(path, data, 'objects', annotations.ids.tolist(), objects),
            _columns(path, data, 'images', annotations.image_ids, annotations.image_ids),
        )

    def to_pandas(self, rows: str = 'objects') -> 'pandas.DataFrame':
        """Return a row per object (without crowd regions) or, with ``rows='images'``, per image."""
        pd, of = require('pandas', 'report'), self.annotations
        names = pd.Series(of.file_names, index=of.image_ids, name='file_name')
        if rows == 'images':
            index = pd.Index(of.image_ids, name='image_id')
            return pd.DataFrame({'file_name': names.to_numpy(), **self.images}, index=index)
        image_id = np.array(of.image_ids)[of.image]
        category = np.array(of.category_names)[of.category]
        frame = pd.DataFrame(
            {'image_id': image_id, 'category': category, **self.objects},
            index=pd.Index(of.ids, name='annotation_id'),
        )
        return frame[~of.iscrowd]

    def plot(self) -> 'plotly.graph_objects.Figure':
        """Return a figure with the distribution of each measure."""
        require('plotly', 'report')
        from ..report.figures import distributions

        return distributions(self)

    def __str__(self) -> str:
        data = self.summary()
        parts = [f'{data["annotations"]}: {data["objects"]} objects in {data["images"]} images']
        if data['crowd_regions']:
            parts[0] += f', and {data["crowd_regions"]} crowd regions'
        numbers = ('mean', 'median', 'p90', 'max')
        rows = [
            (row['measure'], row['of'], str(row['n']), *(short(row[key]) for key in numbers))
            for row in data['distributions']
            if row['n']
        ]
        parts.append(text_table(('measure', 'of', 'number', *numbers), rows))
        matrix = data['correlations']['objects']
        if matrix:
            rows = [(a, *map(short, row.values())) for a, row in matrix.items()]
            parts.append('Rank correlations of the objects (Spearman)')
            parts[-1] += '\n' + text_table(('', *matrix), rows)
        if data['strata']:
            columns = ('stratum', 'objects', 'images', *SIZES)
            rows = [tuple(str(row[column]) for column in columns) for row in data['strata']]
            parts.append(text_table(columns, rows))
            parts += [stratum_warning(row) for row in data['strata'] if not row['enough']]
        return '\n\n'.join([*parts, *(f'Note: {note}' for note in data['notes'])])


def clutter_measures(
    annotations: AnnotationSource,
    images_dir: Optional[PathLike] = None,
    progress: Progress = silent,
) -> 'ClutterTable':
    """Measure the clutter of every object and image of a data set.

    Args:
        annotations: A COCO annotation file, what stands in one, or loaded annotations.
        images_dir: Folder of the images; without it there are no
            :data:`~mmdet_spatialattn.clutter.measures.PIXEL_MEASURES`.
        progress: Wraps the images, whose number it is given, to show how the reading goes.

    Raises:
        UserError: The annotations are not valid; an image is missing, cannot be read, or has not
            the size that the annotations say.

    Example:
        >>> annotations = {
        ...     'images': [{'id': 1, 'width': 100, 'height': 100}],
        ...     'categories': [{'id': 1, 'name': 'cell'}],
        ...     'annotations': [
        ...         {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [0, 0, 10, 10]},
        ...         {'id': 2, 'image_id': 1, 'category_id': 1, 'bbox': [5, 0, 10, 10]},
        ...     ],
        ... }
        >>> clutter_measures(annotations).objects['cover'].tolist()
        [0.5, 0.5]
    """
    of = load_annotations(annotations)
    objects, images = measure_objects(of), measure_images(of)
    if images_dir is not None:
        images.update(_pixel_measures(of, Path(images_dir), progress))
    return ClutterTable(of, objects, images)


def spearman(a: np.ndarray, b: np.ndarray) -> Optional[float]:
    """Return Spearman's rank correlation where both are known; None where it is not defined."""
    known = ~np.isnan(a) & ~np.isnan(b)
    ranks = np.stack([_ranks(values[known]) for values in (a, b)])
    if known.sum() < 2 or (np.ptp(ranks, axis=1) == 0).any():
        return None
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value; equal values share the mean of their ranks."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[inverse]


def _pixel_measures(
    annotations: Annotations, folder: Path, progress: Progress
) -> dict[str, np.ndarray]:
    """Measure the background of every image; threads read and measure several at once."""
    require('cv2', 'lite')
    from .pixels import edge_density, feature_congestion

    paths = find_images(annotations, folder)
    boxes = boxes_by_image(annotations)

    def measure(index: int) -> tuple[float, float]:
        image = read_image(paths[index], annotations.image_sizes[index])
        return edge_density(image, boxes[index]), feature_congestion(image, boxes[index])

    values = in_parallel(measure, len(paths), progress)
    edges, congestion = np.array(values).reshape(-1, 2).T
    return {'edge_density': edges, 'feature_congestion': congestion}


def _rows(columns: dict[str, np.ndarray]) -> Iterator[dict[str, Optional[float]]]:
    """Yield the rows of columns, with None where there is no number."""
    for row in zip(*(values.tolist() for values in columns.values())):
        yield {name: None if value != value else value for name, value in zip(columns, row)}


def _columns(
    path: PathLike, data: dict, of: str, keys: list, needed: list
) -> dict[str, np.ndarray]:
    """Return the columns of the rows that stand in a sidecar under ``of``."""
    rows = data.get(of)
    try:
        names = list(next(iter(rows.values()), {}))  # type: ignore[union-attr]
        lacking = sum(str(key) not in rows for key in needed)  # type: ignore[operator]
        if lacking or len(rows) != len(needed):  # type: ignore[arg-type]
            raise UserError(
                f'{path} was written for other annotations: {lacking} of {len(needed)} {of} are '
                'not in it; write it again with spatialattn clutter --out'
            )
        blank = dict.fromkeys(names)
        lines = [rows.get(str(key), blank) for key in keys]  # type: ignore[union-attr]
        return {name: np.array([line[name] for line in lines], dtype=float) for name in names}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: '{of}' is damaged ({error}); write it again with spatialattn clutter --out"
        ) from error


def stratum_warning(row: dict[str, Any]) -> str:
    """Return the warning about a stratum of :meth:`ClutterTable.strata` with too few objects."""
    return (
        f"Warning: stratum '{row['stratum']}' has {row['objects']} objects, fewer than {ENOUGH}: "
        'nothing can be concluded from it'
    )
