"""Bootstrap intervals and paired tests over a test set.

An interval covers the sampling of the test items, not the training seed.
Paired bootstrap for comparing systems: Koehn (2004).
"""

import numpy as np

RESAMPLES = 10_000


def resamples(n, seed, count=RESAMPLES, chunk=1000):
    """Yield index arrays of shape (chunk, n), `count` rows in all: items drawn with replacement, the same for the same n and seed."""
    generator = np.random.default_rng(seed)
    for start in range(0, count, chunk):
        yield generator.integers(0, n, size=(min(chunk, count - start), n))


def mean_interval(values, seed, level=0.95):
    """{"value", "low", "high"} of the mean of `values` (one number an item): percentile bootstrap over items."""
    values = np.asarray(values, dtype=float)
    means = np.concatenate([values[index].mean(axis=1) for index in resamples(len(values), seed)])
    return block(values.mean(), means, level)


def block(value, statistics, level=0.95):
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}


def paired_test(ours, theirs, seed):
    """(difference of means, two-sided p) of two systems scored on the same items: paired bootstrap of the centred differences."""
    difference = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    observed = difference.mean()
    centred = difference - observed
    extreme = sum(int((np.abs(centred[index].mean(axis=1)) >= abs(observed) - 1e-12).sum()) for index in resamples(len(difference), seed))
    return float(observed), (extreme + 1) / (RESAMPLES + 1)
