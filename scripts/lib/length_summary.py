"""Lengths of texts, summed up."""

from collections import Counter
from itertools import accumulate
from math import floor, log10

import numpy as np

SPLITS = ("train", "validation", "test")
TEXTS = ("article", "reference")
BINS = 30  # at most, of a histogram


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


def chosen(summed, percentiles):
    """A summary with these of its percentiles only."""
    return {key: summed[key] for key in ("min", "mean", "median", *(f"p{percentile}" for percentile in percentiles), "max")}


def histograms(lengths):
    """How many texts have which lengths, in bins of one width for all groups, so that these can be compared.

    lengths  {group: lengths}, or a Counter of them instead of a list
    returns  {"width", "counts": {group: a count a bin}}; bin i holds i × width to (i + 1) × width, and the last one all that is longer

    The width is 1, 2 or 5 times a power of ten: the smallest by which all but a hundredth of the texts stand before the last bin.
    """
    counters = {group: Counter(values) for group, values in lengths.items()}
    together = sorted(sum(counters.values(), Counter()).items())
    below = accumulate(count for _, count in together)
    enough = 0.99 * sum(count for _, count in together)
    nearly_longest = next((length for (length, _), count in zip(together, below, strict=True) if count >= enough), 0)
    width = _round(max(1, (nearly_longest + 1) / (BINS - 1)))
    bins = min(BINS, together[-1][0] // width + 1) if together else 0
    counts = {group: [0] * bins for group in counters}
    for group, counter in counters.items():
        for length, count in counter.items():
            counts[group][min(length // width, bins - 1)] += count
    return {"width": width, "counts": counts}


def _round(width):
    """The smallest of 1, 2, 5, 10, 20, … that is not below `width`."""
    power = 10 ** floor(log10(width))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= width)
