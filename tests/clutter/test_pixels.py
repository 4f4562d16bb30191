"""The pixel measures: only the background counts; a slow oracle, invariances, and order."""

import cv2
import numpy as np
import pytest

from mmdet_spatialattn.clutter import pixels
from mmdet_spatialattn.clutter.pixels import congestion_maps, edge_density, feature_congestion

SIDE = 128


def pink_noise(seed, side=256):
    """Three channels of 1/f noise of deviation 20, 10, 10 in L*, a*, b*, as BGR."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    frequency[0, 0] = np.inf
    lab = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, side, side))) / frequency).real
    lab = np.moveaxis(lab / lab.std((1, 2), keepdims=True), 0, -1) * [20, 10, 10] + [50, 0, 0]
    bgr = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_Lab2BGR)
    return (bgr.clip(0, 1) * 255).round().astype(np.uint8)


def grey(picture):
    return np.repeat(picture.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


def grating(angles, amplitude=60, period=10):
    """Stripes whose direction, in degrees, may vary from place to place."""
    y, x = np.mgrid[:SIDE, :SIDE]
    angle = np.deg2rad(np.broadcast_to(angles, (SIDE, SIDE)))
    return grey(
        128 + amplitude * np.sin(2 * np.pi / period * (np.cos(angle) * x + np.sin(angle) * y))
    )


def patchwork(values, cell=16):
    return np.kron(values, np.ones((cell, cell)))


def whole(image):
    return np.ones(image.shape[:2], dtype=bool)


def mean_map(image, name):
    return congestion_maps(image, whole(image))[name].mean()


def test_a_uniform_picture_has_no_clutter():
    image = np.full((60, 80, 3), (30, 90, 200), dtype=np.uint8)
    assert feature_congestion(image) == pytest.approx(0, abs=1e-3)
    assert edge_density(image) == 0


def test_one_is_as_congested_as_pink_noise():
    values = [feature_congestion(pink_noise(seed)) for seed in range(4)]
    assert np.mean(values) == pytest.approx(1, abs=0.05)
    maps = [congestion_maps(pink_noise(seed), np.ones((256, 256), bool)) for seed in range(4)]
    for name, typical in pixels.TYPICAL.items():
        assert np.mean([m[name].mean() for m in maps]) == pytest.approx(typical, rel=0.1), name


@pytest.mark.parametrize('measure', [edge_density, feature_congestion])
def test_pixels_of_objects_have_no_influence(measure):
    boxes = np.array([[20.5, 30.2, 40, 25], [50, 40, 200, 30], [-10, -10, 25, 25]])
    image = pink_noise(0, SIDE)
    painted = image.copy()
    painted[31:55, 21:60] = np.random.default_rng(0).integers(0, 256, (24, 39, 3))
    painted[40:70, 50:] = 255
    painted[:15, :15] = 0
    assert measure(painted, boxes) == measure(image, boxes)
    assert measure(painted) != pytest.approx(measure(image), rel=1e-3)


@pytest.mark.parametrize('measure', [edge_density, feature_congestion])
def test_an_object_leaves_no_edge_in_a_plain_background(measure):
    image = np.full((SIDE, SIDE, 3), 100, dtype=np.uint8)
    image[30:70, 20:90] = (0, 0, 255)
    assert measure(image) > 0
    assert measure(image, np.array([[20, 30, 70, 40]])) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize('measure', [edge_density, feature_congestion])
def test_without_background_there_is_no_number(measure):
    assert np.isnan(measure(pink_noise(0, 32), np.array([[0, 0, 32, 32]])))


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (3, 2), (37, 51)])
def test_any_size_of_picture(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for boxes in (None, np.array([[0, 0, 1, 1]])):
        value = feature_congestion(image, boxes)
        assert np.isnan(value) if shape == (1, 1) and boxes is not None else value >= 0


@pytest.mark.parametrize('n', [1, 2, 3])
def test_the_spread_equals_a_weighted_covariance(n):
    """The neighbourhood of a sampled pixel, written out as one weight per pixel."""
    rng = np.random.default_rng(n)
    side, sigma, noise = 40, 3.0, 0.5
    features = list(rng.normal(size=(n, side, side)).astype(np.float32) * 5)
    weight = (rng.random((side, side)) < 0.7).astype(np.float32)
    spread = pixels._spread(features, pixels._pool(weight, sigma / 2, pixels._halve), noise)
    assert spread.shape == (20, 20)
    for y, x in ((0, 0), (7, 3), (10, 19), (12, 12)):
        position = np.arange(20)
        profile = [np.exp(-((position - c) ** 2) / (2 * (sigma / 2) ** 2)) for c in (y, x)]
        near = [abs(position - c) <= np.ceil(sigma) for c in (y, x)]
        window = np.outer(profile[0] * near[0], profile[1] * near[1])
        weights = (np.kron(window, np.ones((2, 2))) * weight).ravel()
        values = np.array(features, dtype=float).reshape(n, -1)
        covariance = np.atleast_2d(np.cov(values, aweights=weights, ddof=0))
        volume = np.linalg.det(covariance + noise**2 * np.eye(n)) ** (0.5 / n)
        assert spread[y, x] == pytest.approx(volume - noise, rel=1e-3)


@pytest.mark.parametrize('turn', [np.rot90, np.fliplr, np.flipud])
def test_turning_and_mirroring_change_nothing(turn):
    image = pink_noise(1, SIDE)
    expected = congestion_maps(image, whole(image))
    turned = np.ascontiguousarray(turn(image))
    for name, values in congestion_maps(turned, whole(turned)).items():
        # Halving keeps even rows, so that the scales of the turned picture sit one pixel aside.
        assert values.mean() == pytest.approx(expected[name].mean(), rel=0.02), name


def test_brightness_does_not_count_but_contrast_does():
    texture = np.random.default_rng(0).normal(size=(SIDE, SIDE)) * 10

    # In L*, where equal steps look equal.
    def picture(level, gain):
        lab = np.zeros((SIDE, SIDE, 3), np.float32)
        lab[..., 0] = level + gain * texture.clip(-20, 20)
        return (cv2.cvtColor(lab, cv2.COLOR_Lab2BGR) * 255).round().astype(np.uint8)

    dark, bright, strong = picture(40, 1), picture(60, 1), picture(60, 2)
    assert mean_map(bright, 'contrast') == pytest.approx(mean_map(dark, 'contrast'), rel=0.03)
    assert mean_map(strong, 'contrast') == pytest.approx(2 * mean_map(dark, 'contrast'), rel=0.05)


def test_orientation_clutter_is_the_variety_of_directions():
    rng = np.random.default_rng(0)
    mixed = patchwork(rng.choice([0, 45, 90, 135], (8, 8)))
    same = [mean_map(grating(angle), 'orientation') for angle in (0, 45, 90, 135)]
    assert max(same) < 0.4 * mean_map(grating(mixed), 'orientation')


def test_colour_clutter_is_the_variety_of_colours():
    rng = np.random.default_rng(0)
    palette = rng.integers(60, 200, (8, 8, 3)).astype(np.uint8)
    colourful = palette.repeat(16, 0).repeat(16, 1)
    plain = cv2.cvtColor(cv2.cvtColor(colourful, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert mean_map(colourful, 'colour') > 2 * mean_map(plain, 'colour')


def test_more_distractors_are_more_clutter():
    """The display of a visual search: bars of random direction and colour on grey."""
    rng = np.random.default_rng(0)
    image = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    values = []
    for _ in range(4):
        for _ in range(12):
            x, y = rng.integers(8, SIDE - 8, 2)
            dx, dy = (6 * np.array([np.cos(a := rng.uniform(0, np.pi)), np.sin(a)])).round()
            colour = rng.integers(0, 256, 3).tolist()
            cv2.line(image, (int(x - dx), int(y - dy)), (int(x + dx), int(y + dy)), colour, 2)
        values.append((feature_congestion(image), edge_density(image)))
    assert (np.diff(values, axis=0) > 0).all()


@pytest.mark.parametrize(('step', 'share'), [(5, 0), (40, 1 / SIDE)])
def test_edges_are_steps_of_a_fixed_height(step, share):
    image = np.full((SIDE, SIDE, 3), 100, dtype=np.uint8)
    image[:, SIDE // 2 :] += step
    assert edge_density(image) == pytest.approx(share, abs=2e-4)


def test_edges_of_a_square_by_hand():
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    image[20:60, 30:80] = 255
    # One pixel along the outline, less what the blur takes off the corners.
    assert edge_density(image) == pytest.approx((2 * 40 + 2 * 50) / 10000, rel=0.08)
