"""Examples that a few-shot prompt shows: always from train, never from test."""

import random

from lib.program import InputError

SELECTIONS = ("random",)


def choose(train, test, number, selection, seed):
    """`number` pairs of `train`, the same for every article. More shots with the same seed begin with the same ones.

    Raises InputError if train has too few pairs, or a chosen one stands in test.
    """
    if number > len(train):
        raise InputError(
            f"shots: asked for {number}, train has {len(train)} pairs; lower shots, or sample more (summarization.splits.train)"
        )
    order = list(range(len(train)))
    random.Random(seed).shuffle(order)
    shots = [train[index] for index in order[:number]]
    for key in ("id", "article"):
        shared = {row[key] for row in shots} & {row[key] for row in test}
        if shared:
            raise InputError(f"shots: the {key} {sorted(shared)[0][:80]!r} of train stands in test as well; take the pair out of train")
    return shots
