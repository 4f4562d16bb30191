"""Differences between arms and a baseline, with a known truth."""

import numpy as np


def differences(
    rng,
    *,
    arms=1,
    seeds=3,
    bases=1,
    between_seeds=1.0,
    between_bases=0.0,
    images=0.0,
    luck=0.0,
    n_images=50,
    n_boot=100,
    trials=None,
):
    """Draw ``(trials, M, L, K, 1 + B)`` differences without effects; bootstrapped for real.

    ``between_seeds`` and ``between_bases`` are standard deviations of a difference, half of whose
    variance all arms share; ``images`` that of an effect over test sets, and ``luck`` that of a
    single difference. A standard deviation may be one number per arm.
    """
    lead = () if trials is None else (trials,)

    def unit(sd, *shape):
        shared, own = (rng.normal(size=(*lead, n, *shape)) for n in (1, arms))
        return np.reshape(sd, (-1, *[1] * len(shape))) * (shared + own) / 2**0.5

    runs = unit(between_seeds, bases, seeds) + unit(between_bases, bases, 1)
    values = n_images**0.5 * unit(images, 1, 1, n_images)
    values = values + n_images**0.5 * unit(luck, bases, seeds, n_images)
    weights = rng.multinomial(n_images, np.full(n_images, 1 / n_images), n_boot).T
    weights = np.concatenate([np.ones((n_images, 1)), weights], axis=1) / n_images
    return runs[..., None] + values @ weights
