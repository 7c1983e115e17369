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


def resampled_means(columns, seed):
    """Means of each column of `columns` (items × columns) in every resample: an array of resamples × columns."""
    n = len(columns)
    means = []
    for index in resamples(n, seed):
        drawn = np.bincount((index + n * np.arange(len(index))[:, None]).ravel(), minlength=index.size).reshape(index.shape)
        means.append(drawn @ columns / n)
    return np.concatenate(means)


def mean_interval(values, seed, level=0.95):
    """{"value", "low", "high"} of the mean of `values` (one number an item): percentile bootstrap over items."""
    values = np.asarray(values, dtype=float)
    return block(values.mean(), resampled_means(values[:, None], seed)[:, 0], level)


def block(value, statistics, level=0.95):
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}


def paired_tests(ours, theirs, seed):
    """Differences of means, and two-sided p-values, of two systems scored on the same items by several metrics (items × metrics).

    A paired bootstrap of the centred differences. Equal scores give p = 1.
    """
    differences = np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)
    observed = differences.mean(axis=0)
    extreme = np.abs(resampled_means(differences - observed, seed)) >= np.abs(observed) - 1e-12
    return observed, (extreme.sum(axis=0) + 1) / (RESAMPLES + 1)
