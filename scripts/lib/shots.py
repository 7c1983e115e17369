"""Examples that a few-shot prompt shows: always from train, never from test.

random   drawn with a seed, the same for every article, in the order drawn
short    the shortest articles whose references are of use, the same for every article, the shortest first
similar  the articles nearest to the article at hand (BM25), the nearest last, next to it
diverse  articles near to the article at hand but unlike each other (maximal marginal relevance), the nearest last

Equally good pairs keep the order of train. None is a pair of test, or nearly one.
"""

import random

from lib.near_duplicates import NearArticles
from lib.program import InputError
from lib.search_words import words
from lib.shot_selections import FIXED

LEAST_WORDS = 5  # of a reference that is of use


def choose(train, rows, number, selection, seed):
    """A list of shots for each of `rows`: `number` pairs of `train` in the order in which a prompt shows them.

    Raises InputError if train has too few pairs of use.
    """
    if number > len(train):
        raise InputError(
            f"shots: asked for {number}, train has {len(train)} pairs; expected no more than these; "
            "lower shots, or sample more (summarization.splits.train)"
        )
    if selection in FIXED:
        chosen = [drawn(train, number, seed) if selection == "random" else shortest(train, number)] * len(rows)
    else:
        from lib.bm25 import Index  # with scipy

        index = Index([row["article"] for row in train])
        articles = [row["article"] for row in rows]
        chosen = list(index.nearest(articles, number) if selection == "similar" else index.diverse(articles, number))
    return [[train[place] for place in places] for places in chosen]


def refuse_seen(shots, test, threshold, characters):
    """Raises InputError if a shot's id or article stands in test, or its article is nearly the same as one of test.

    threshold, characters   as lib.near_duplicates has them
    """
    for key in ("id", "article"):
        shared = {row[key] for row in shots} & {row[key] for row in test}
        if shared:
            raise InputError(
                f"shots: the {key} {sorted(shared)[0][:80]!r} of train stands in test as well; expected pairs that test lacks; "
                "take the pair out of train"
            )
    articles = NearArticles(threshold, characters)
    articles.add("train", (row["article"] for row in shots))
    near = next((row["id"] for row in test if articles.split_of(row["article"])), None)
    if near is not None:
        raise InputError(
            f"shots: an article of train is nearly the same as {near!r} of test; expected a similarity below {threshold} "
            "(summarization.near_duplicates); make the splits again, which leaves such pairs out"
        )


def drawn(train, number, seed):
    """More shots with the same seed begin with the same ones."""
    order = list(range(len(train)))
    random.Random(seed).shuffle(order)
    return order[:number]


def shortest(train, number):
    """Places of the pairs with the fewest words in the article whose reference is of use. More shots begin with the same ones."""
    lengths = {place: len(words(row["article"])) for place, row in enumerate(train) if is_of_use(row)}
    if number > len(lengths):
        raise InputError(
            f"shots: asked for {number} of the selection short, train has {len(lengths)} pairs whose reference has {LEAST_WORDS} words or "
            "more, repeats few of them and is half as long as the article at most; lower shots, or choose another selection"
        )
    return sorted(lengths, key=lengths.get)[:number]


def is_of_use(row):
    """Whether a reference can show how to summarize: some words, most of them different, and no more than half of its article's."""
    reference = words(row["reference"])
    return len(reference) >= LEAST_WORDS and 2 * len(set(reference)) > len(reference) and 2 * len(reference) <= len(words(row["article"]))
