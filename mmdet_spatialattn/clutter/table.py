"""The clutter of a data set: every measure of every object and image, as one table."""

from dataclasses import asdict, dataclass
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
from ..plots import distributions
from ..processors import Progress, in_parallel, silent
from ..results import Refused, Stratum
from ..results.estimates import Number
from ..results.test_set import strata_table
from ..tables import Table, short
from . import sidecar
from .measures import MEANINGS, measure_images, measure_objects
from .scopes import describe_strata
from .strata import ENOUGH, StrataLike, stratify

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

Correlations = dict[str, dict[str, Number]]
"""The correlation of every two measures, by their names."""


@dataclass(frozen=True, eq=False)
class ClutterTable:
    """Clutter measures of a data set.

    Attributes:
        annotations: The data set.
        objects: Measures of the objects, each ``(n,)`` in the order of the annotations; NaN for a
            crowd region and where an object does not have the measure.
        images: Measures of the images, each ``(I,)`` in the order of ``annotations.image_ids``;
            NaN where an image does not have the measure.
    """

    annotations: Annotations
    objects: dict[str, np.ndarray]
    images: dict[str, np.ndarray]

    def object_values(self, measure: str) -> np.ndarray:
        """Return a measure for every object, ``(n,)``; a measure of images is that of its image.

        Raises:
            UserError: The table does not have the measure.
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
        """Return the mean of a measure over the objects of each image, ``(I,)``; NaN without any.

        Raises:
            UserError: The table does not have the measure.
        """
        values, image = self.object_values(measure), self.annotations.image
        known = ~np.isnan(values)
        n_images = len(self.annotations.image_ids)
        count = np.bincount(image[known], minlength=n_images)
        total = np.bincount(image[known], weights=values[known], minlength=n_images)
        return np.divide(total, count, out=np.full(n_images, np.nan), where=count > 0)

    def distributions(self) -> list[dict[str, Any]]:
        """Return number, mean, median, 90th percentile and maximum of each measure."""
        rows = []
        for unit, columns in (('object', self.objects), ('image', self.images)):
            for name, values in columns.items():
                known = values[~np.isnan(values)]
                row: dict[str, Any] = {'measure': name, 'of': unit, 'n': len(known)}
                if len(known):
                    median, high = np.quantile(known, (0.5, 0.9)).tolist()
                    row |= {'mean': float(known.mean()), 'median': median, 'p90': high}
                    row['max'] = float(known.max())
                rows.append(row)
        return rows

    def correlations(self) -> dict[str, Correlations]:
        """Return Spearman's rank correlations of ``'objects'`` and of ``'images'``.

        The size of the objects is one of the measures, for images as its mean over their objects:
        crowded objects are smaller, so an apparent effect of clutter may be an effect of size.
        """
        mean_size = self.mean_of_image('rel_size')
        return {
            'objects': _correlations(self.objects),
            'images': _correlations({**self.images, 'mean rel_size': mean_size}),
        }

    def strata(self, rule: StrataLike = 'cover') -> tuple[Stratum, ...]:
        """Return the size of each stratum; a data set without objects has none.

        A stratum with fewer than :data:`~mmdet_spatialattn.clutter.ENOUGH` objects does not allow a
        conclusion.

        Raises:
            UserError: The rule cannot be read or applied; see
                :meth:`~mmdet_spatialattn.clutter.Strata.parse`.
        """
        if self.annotations.iscrowd.all():
            return ()
        return describe_strata(self.annotations, stratify(self.annotations, rule))

    def summary(self) -> dict[str, Any]:
        """Return the content of the printed table and of the page as plain data."""
        iscrowd = self.annotations.iscrowd
        return {
            'annotations': self.annotations.source,
            'objects': int((~iscrowd).sum()),
            'crowd_regions': int(iscrowd.sum()),
            'images': len(self.annotations.image_ids),
            'distributions': self.distributions(),
            'correlations': {
                unit: {a: {b: _plain(r) for b, r in row.items()} for a, row in matrix.items()}
                for unit, matrix in self.correlations().items()
            },
            'strata': [asdict(stratum) for stratum in self.strata()],
            'notes': list(self.annotations.notes),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the content of a sidecar: the measures by annotation id and by image id.

        Crowd regions are left out; ``None`` stands for NaN.
        """
        return sidecar.pack(self.annotations, self.objects, self.images)

    def to_json(self, path: PathLike) -> None:
        """Write a sidecar with the content of :meth:`to_dict`, atomically."""
        write_json(path, self.to_dict(), indent=None)

    @classmethod
    def read(cls, path: PathLike, annotations: AnnotationSource) -> 'ClutterTable':
        """Read the sidecar of a data set.

        Raises:
            UserError: The file is not a sidecar of this version, or belongs to other annotations.
        """
        loaded = load_annotations(annotations)
        return cls(loaded, *sidecar.unpack(read_json(path), loaded, str(path)))

    def to_pandas(self, rows: str = 'objects') -> 'pandas.DataFrame':
        """Return a row per object (without crowd regions) or, with ``rows='images'``, per image."""
        pandas, annotations = require('pandas', 'report'), self.annotations
        if rows == 'images':
            index = pandas.Index(annotations.image_ids, name='image_id')
            columns = {'file_name': annotations.file_names, **self.images}
            return pandas.DataFrame(columns, index=index)
        frame = pandas.DataFrame(
            {
                'image_id': np.array(annotations.image_ids)[annotations.image],
                'category': np.array(annotations.category_names)[annotations.category],
                **self.objects,
            },
            index=pandas.Index(annotations.ids, name='annotation_id'),
        )
        return frame[~annotations.iscrowd]

    def plot(self) -> 'go.Figure':
        """Return a figure with the distribution of each measure."""
        return distributions({**self.objects, **self.images}, MEANINGS)

    def tables(self) -> list[Table]:
        """Return the distributions, the correlations of the objects, and the strata."""
        numbers = ('mean', 'median', 'p90', 'max')
        rows = [
            (row['measure'], row['of'], str(row['n']), *(short(row[key]) for key in numbers))
            for row in self.distributions()
            if row['n']
        ]
        tables = [Table('', ('measure', 'of', 'number', *numbers), rows)]
        correlations = self.correlations()['objects']
        if correlations:
            rows = [
                (name, *(short(_plain(value)) for value in row.values()))
                for name, row in correlations.items()
            ]
            caption = 'Rank correlations of the objects (Spearman)'
            tables.append(Table(caption, ('', *correlations), rows))
        strata = self.strata()
        return [*tables, strata_table(strata)] if strata else tables

    def __str__(self) -> str:
        n_crowd = int(self.annotations.iscrowd.sum())
        n_objects, n_images = len(self.annotations) - n_crowd, len(self.annotations.image_ids)
        title = f'{self.annotations.source}: {n_objects} objects in {n_images} images'
        if n_crowd:
            title += f', and {n_crowd} crowd regions'
        warnings = [stratum_warning(stratum) for stratum in self.strata() if not stratum.enough]
        notes = [f'Note: {note}' for note in self.annotations.notes]
        return '\n\n'.join([title, *(table.text() for table in self.tables()), *warnings, *notes])

    def _repr_html_(self) -> str:
        return ''.join(table.html() for table in self.tables())


def clutter_measures(
    annotations: AnnotationSource,
    images_dir: Optional[PathLike] = None,
    *,
    progress: Progress = silent,
) -> ClutterTable:
    """Measure the clutter of every object and image of a data set.

    Args:
        annotations: A COCO annotation file, its content, or loaded annotations.
        images_dir: Folder of the images. Without it the table lacks the
            :data:`~mmdet_spatialattn.clutter.PIXEL_MEASURES`.
        progress: Wraps the iteration over the images to show its progress.

    Raises:
        UserError: The annotations are not valid; an image is missing, cannot be read, or has
            another size than in the annotations.

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
    loaded = load_annotations(annotations)
    objects, images = measure_objects(loaded), measure_images(loaded)
    if images_dir is not None:
        images.update(_measure_pixels(loaded, Path(images_dir), progress))
    return ClutterTable(loaded, objects, images)


def _measure_pixels(
    annotations: Annotations, folder: Path, progress: Progress
) -> dict[str, np.ndarray]:
    """Measure the background of every image; threads read and measure several images at once."""
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


def spearman(a: np.ndarray, b: np.ndarray) -> Number:
    """Return Spearman's rank correlation over the positions where both values are known."""
    known = ~np.isnan(a) & ~np.isnan(b)
    if known.sum() < 2:
        return Refused('fewer than two values of both measures')
    ranks = np.stack([_ranks(values[known]) for values in (a, b)])
    if (np.ptp(ranks, axis=1) == 0).any():
        return Refused('all values of a measure are equal')
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value; equal values share the mean of their ranks."""
    _, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[inverse]


def _correlations(columns: dict[str, np.ndarray]) -> Correlations:
    names = [name for name, values in columns.items() if not np.isnan(values).all()]
    return {a: {b: spearman(columns[a], columns[b]) for b in names} for a in names}


def _plain(number: Number) -> Optional[float]:
    """Return a number for JSON and for a cell of a table; ``None`` where it is refused."""
    return None if isinstance(number, Refused) else number


def stratum_warning(stratum: Stratum) -> str:
    """Return the warning about a stratum with too few objects."""
    return (
        f"Warning: stratum '{stratum.name}' has {stratum.objects} objects, fewer than {ENOUGH}: "
        'nothing can be concluded from it'
    )
