"""Bootstrap intervals and paired tests over a test set.

An interval covers the sampling of the test items, not the training seed.
Paired bootstrap for comparing systems: Koehn (2004). Correction for several tests: Holm (1979), doi:10.2307/4615733.
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
    return mean_intervals(np.asarray(values, dtype=float)[:, None], seed, level)[0]


def mean_intervals(columns, seed, level=0.95):
    """The `mean_interval` of each column of `columns` (items × columns), in one go."""
    columns = np.asarray(columns, dtype=float)
    return [block(*of_column, level) for of_column in zip(columns.mean(axis=0), resampled_means(columns, seed).T, strict=True)]


def ratio_intervals(parts, wholes, seed, level=0.95):
    """{"value", "low", "high"} of each column's ratio, the sum of `parts` over the sum of `wholes` (both items × columns).

    None for a column whose wholes sum to 0. Resamples without any of a column's wholes say nothing of it.
    """
    columns = np.hstack([parts, wholes]).astype(float)
    count = columns.shape[1] // 2
    value, resampled = columns.sum(axis=0), resampled_means(columns, seed)
    blocks = []
    for column in range(count):
        part, whole = resampled[:, column], resampled[:, column + count]
        there = whole > 0
        found = value[column + count] > 0
        blocks.append(block(value[column] / value[column + count], part[there] / whole[there], level) if found else None)
    return blocks


def block(value, statistics, level=0.95):
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2])
    return {"value": float(value), "low": float(low), "high": float(high)}


def paired_tests(differences, seed):
    """Means and two-sided p-values of `differences` (items × columns): of two systems' scores of the same items, a column a metric.

    A paired bootstrap of the centred differences. Equal scores give p = 1.
    """
    differences = np.asarray(differences, dtype=float)
    observed = differences.mean(axis=0)
    extreme = np.abs(resampled_means(differences - observed, seed)) >= np.abs(observed) - 1e-12
    return observed, (extreme.sum(axis=0) + 1) / (RESAMPLES + 1)


def holm(p_values):
    """The p-values of a family of tests, adjusted so that the chance of any false alarm among them stays below the level."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1)))
    return adjusted
