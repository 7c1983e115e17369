"""Lengths of the articles and references of a split, summed up."""

import numpy as np

SPLITS = ("train", "validation", "test")
TEXTS = ("article", "reference")


def summary(lengths, percentiles):
    """min, mean, median, a percentile each (p95, …) and max of the lengths."""
    lengths = np.asarray(lengths)
    quantiles = dict(zip(percentiles, np.percentile(lengths, percentiles).tolist(), strict=True))
    return {
        "min": int(lengths.min()),
        "mean": float(lengths.mean()),
        "median": float(np.median(lengths)),
        **{f"p{percentile}": value for percentile, value in quantiles.items()},
        "max": int(lengths.max()),
    }
