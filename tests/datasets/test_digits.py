"""A scene of clutter digits: pinned pixels, the same objects at every level, exact cover."""

import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mmdet_spatialattn.datasets import digits
from mmdet_spatialattn.datasets.digits import (
    LEVELS,
    OBJECTS,
    box_cover,
    load_glyphs,
    render_scene,
)


@pytest.fixture(scope='module')
def scenes():
    return [render_scene('val', index, size=160) for index in range(60)]


@pytest.mark.parametrize(
    ('split', 'index', 'size', 'seed', 'level', 'crc'),
    [
        ('train', 0, 160, 0, 0, 0x1A2797CC),
        ('train', 0, 160, 0, 4, 0x24A3F986),
        ('val', 7, 160, 0, 2, 0x56E04C50),
        ('val', 7, 96, 3, 2, 0xE85A1E1B),
    ],
)
def test_a_scene_is_the_same_on_every_machine(split, index, size, seed, level, crc):
    # A change here changes every published figure: give scenes.FORMAT a new version.
    image = render_scene(split, index, (level,), size, seed).images[level]
    assert zlib.crc32(image.tobytes()) == crc


def test_a_level_looks_the_same_whichever_others_are_rendered(scenes):
    alone = render_scene('val', 3, levels=[2])
    assert list(alone.images) == [2]
    np.testing.assert_array_equal(alone.images[2], scenes[3].images[2])


def test_clutter_grows_with_the_level_and_what_was_there_stays(scenes):
    for scene in scenes[:10]:
        bare = scene.images[0]
        changed = [(scene.images[level] != bare).any(-1) for level in LEVELS]
        shares = [mask.mean() for mask in changed]
        assert shares[0] == 0
        assert all(more > less + 0.01 for less, more in zip(shares, shares[1:]))
        for less, more in zip(changed, changed[1:]):
            assert (less & ~more).sum() <= 0.01 * less.sum()  # a later fragment may restore a value


def test_fragments_lie_below_the_objects(scenes):
    # Ink that hides at least 70 % of what is below: a fragment changes it by at most 30 % of 255.
    for scene in scenes[:10]:
        inside = np.zeros_like(scene.owner, bool)
        owned = scene.owner > 0
        inside[1:-1, 1:-1] = np.all(  # the rim of a stroke is half transparent
            [
                owned[1 + dy : owned.shape[0] - 1 + dy, 1 + dx : owned.shape[1] - 1 + dx]
                for dy in (-1, 0, 1)
                for dx in (-1, 0, 1)
            ],
            axis=0,
        )
        difference = np.abs(scene.images[4].astype(int) - scene.images[0])[inside]
        assert np.quantile(difference, 0.95) <= 0.3 * 255


def test_train_and_val_share_no_glyph_and_labels_are_those_of_the_real_set(scenes):
    real = load_digits()
    train, val = load_glyphs('train'), load_glyphs('val')
    assert not set(train.ids) & set(val.ids)
    assert len(train.ids) + len(val.ids) == len(real.target)
    assert set(train.labels) == set(val.labels) == set(range(10))
    for scene in scenes:
        np.testing.assert_array_equal(scene.labels, real.target[scene.glyphs])
        assert set(scene.glyphs) <= set(val.ids)
        assert len(set(scene.glyphs)) == len(scene.glyphs)


def test_boxes_hold_what_is_seen_and_the_topmost_fits_exactly(scenes):
    for scene in scenes:
        for k, (x, y, w, h) in enumerate(scene.boxes):
            rows, cols = np.nonzero(scene.owner == k + 1)
            assert y <= rows.min() and rows.max() < y + h
            assert x <= cols.min() and cols.max() < x + w
        assert (y, y + h - 1) == (rows.min(), rows.max())
        assert (x, x + w - 1) == (cols.min(), cols.max())


def test_the_share_that_stays_in_sight_is_kept(scenes, monkeypatch):
    assert all(np.bincount(s.owner.ravel(), minlength=len(s.labels) + 1).all() for s in scenes)
    monkeypatch.setattr(digits, 'LEAST_VISIBLE', 1)
    for index in range(20):  # nothing may be hidden: every box fits what is seen exactly
        scene = render_scene('val', index, levels=[0])
        for k, (x, y, w, h) in enumerate(scene.boxes):
            rows, cols = np.nonzero(scene.owner == k + 1)
            assert (y, y + h - 1, x, x + w - 1) == (rows[0], rows[-1], cols.min(), cols.max())


def test_cover_equals_counting_pixels_one_by_one():
    rng = np.random.default_rng(0)
    for _ in range(20):
        corner = rng.integers(0, 20, (6, 2))
        boxes = np.concatenate([corner, rng.integers(1, 12, (6, 2))], axis=1)
        cells = [{(r, c) for r in range(y, y + h) for c in range(x, x + w)} for x, y, w, h in boxes]
        expected = [
            len(own & set().union(*(other for j, other in enumerate(cells) if j != i))) / len(own)
            for i, own in enumerate(cells)
        ]
        assert box_cover(boxes, size=32).tolist() == expected


def test_every_stratum_of_cover_is_populated():
    cover = np.concatenate([render_scene('train', i, levels=[0]).cover for i in range(100)])
    shares = np.histogram(cover, [0, 0.1, 0.3, 1.01])[0] / len(cover)
    assert (shares > 0.15).all(), shares


@pytest.mark.parametrize(('size', 'fewest', 'most'), [(160, *OBJECTS), (320, 20, 48), (64, 1, 2)])
def test_density_does_not_depend_on_the_size(size, fewest, most):
    counts = [len(render_scene('val', i, [0], size).labels) for i in range(40)]
    assert max(counts) == most
    assert fewest * 0.8 <= min(counts) <= fewest * 1.4


def test_a_thousand_scenes_at_five_levels_take_ten_seconds():
    # Drawing is half of the time; twice its share is allowed to a busy machine.
    render_scene('train', 0)
    start = time.process_time()
    for index in range(50):
        render_scene('train', index)
    assert (time.process_time() - start) / 50 < 0.010


def test_missing_scikit_learn_is_one_line_that_names_the_extra(tmp_path):
    code = (
        "import sys; sys.modules['sklearn.datasets'] = None\n"
        'from mmdet_spatialattn.cli.scenes import main\n'
        f"sys.exit(main(['--out', {str(tmp_path / 'out')!r}]))"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert 'mmdet_spatialattn[demo]' in done.stderr and done.stderr.count('\n') == 1
    assert not any(tmp_path.iterdir())
