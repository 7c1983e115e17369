"""Scores of tagged sentences: entities as seqeval reads them in its strict IOB2 mode, with bootstrap intervals over sentences.

A sentence is scored on the types that its source annotates. Tags of other types count as O, in the gold tags and in the predicted
ones; predicted entities of such types are counted apart (`outside_annotation`), not as errors.
"""

from collections import Counter

import numpy as np

from lib.intervals import block, resamples
from lib.labels import OUTSIDE, only

NUMBERS = 2_000_000  # of a matrix of resamples in memory at once


def entities(tags):
    """The entities of an IOB2 sequence as (type, start, end), end exclusive. An I- tag that goes on with nothing is part of none."""
    found, start = [], None
    for position, tag in enumerate([*tags, OUTSIDE]):
        if start is not None and tag != f"I-{tags[start][2:]}":
            found.append((tags[start][2:], start, position))
            start = None
        if tag[0] == "B":
            start = position
    return found


class Scores:
    """Counts of each sentence, from which every score comes.

    gold, predicted  tags of each sentence
    annotated        for each sentence the set of types that its source annotates
    types            all types, in their order
    keys             for each sentence what its copies share (a number); without them, no sentence is a copy

    Copies of a sentence are drawn together: a set that holds each sentence three times says no more than the one that holds it once.
    """

    def __init__(self, gold, predicted, annotated, types, keys=None):
        self.types = list(types)
        self.keys = np.arange(len(gold)) if keys is None else np.asarray(keys)
        column = {label: number for number, label in enumerate(self.types)}
        # for each sentence and type: entities in both, in the gold tags, and predicted
        self.entities = np.zeros((len(gold), len(self.types), 3), dtype=np.int64)
        self.tokens = np.zeros((len(gold), 2), dtype=np.int64)  # for each sentence: tokens with the right tag, and all
        self.outside = np.zeros(len(gold), dtype=np.int64)
        for number, (right, guess, known) in enumerate(zip(gold, predicted, annotated, strict=True)):
            if len(right) != len(guess):
                raise ValueError(f"sentence {number}: {len(right)} gold tags, {len(guess)} predicted ones")
            self.outside[number] = sum(label not in known for label, _, _ in entities(guess))
            right, guess = only(right, known), only(guess, known)
            expected, found = set(entities(right)), set(entities(guess))
            for position, group in enumerate((expected & found, expected, found)):
                for label, count in Counter(label for label, _, _ in group).items():
                    self.entities[number, column[label], position] = count
            self.tokens[number] = sum(map(str.__eq__, right, guess)), len(right)

    def point(self):
        """Accuracy, precision, recall and F1 of all sentences, without intervals."""
        return {name: float(value) for name, value in _scores(self._columns(slice(None)).sum(0)).items()}

    def summary(self, seed, sentences=slice(None)):
        """The block of all types, its `by_type`, and its sizes, over some of the sentences (a boolean array) or all."""
        columns = self._columns(sentences)
        entity_counts = self.entities[sentences]
        values, statistics = self._resampled(columns, entity_counts, self.keys[sentences], seed)
        result = {name: block(values[name], statistics[name]) for name in ("accuracy", "precision", "recall", "f1")}
        result["support"] = int(entity_counts[:, :, 1].sum())
        result["sentences"], result["tokens"] = len(columns), int(self.tokens[sentences][:, 1].sum())
        result["different_sentences"] = len(np.unique(self.keys[sentences]))
        by_type = {}
        for number, label in enumerate(self.types):
            by_type[label] = {name: block(values[name, number], statistics[name, number]) for name in ("precision", "recall", "f1")} | {
                "support": int(entity_counts[:, number, 1].sum())
            }
        return result, by_type

    def _columns(self, sentences):
        """For each sentence: right tokens, tokens, entities in both, gold, predicted; over all types."""
        return np.concatenate([self.tokens[sentences], self.entities[sentences].sum(1)], axis=1)

    def _resampled(self, columns, entity_counts, keys, seed):
        """Scores over all sentences, and over each bootstrap sample of them, copies together."""
        rows = np.concatenate([columns, entity_counts.reshape(len(columns), -1)], axis=1).astype(float)
        _, first, copy_of = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(np.argsort(first))  # of the different sentences, by where they stand first
        counts = np.zeros((len(first), rows.shape[1]))
        np.add.at(counts, order[copy_of], rows)
        n = len(counts)
        sums = []
        for index in resamples(n, seed, chunk=max(1, min(1000, NUMBERS // n))):
            # how often each sentence was drawn, times its counts: one matrix product instead of gathering rows
            offsets = np.arange(len(index))[:, None] * n
            drawn = np.bincount((index + offsets).ravel(), minlength=index.size).reshape(index.shape)
            sums.append(drawn.astype(float) @ counts)
        return self._all(counts.sum(0)), self._all(np.concatenate(sums))

    def _all(self, sums):
        """Scores from sums of counts (…, columns): by name, and by (name, number of the type)."""
        result = dict(_scores(sums[..., :5]))
        for number in range(len(self.types)):
            of_type = sums[..., 5 + 3 * number : 8 + 3 * number]
            result |= {(name, number): value for name, value in _scores(of_type).items()}
        return result


def _scores(sums):
    """Accuracy (where the first two columns are right tokens and tokens), precision, recall and F1; 0 where seqeval divides by zero."""
    result = {}
    if sums.shape[-1] == 5:
        result["accuracy"] = _ratio(sums[..., 0], sums[..., 1])
    both, expected, found = sums[..., -3], sums[..., -2], sums[..., -1]
    return result | {"precision": _ratio(both, found), "recall": _ratio(both, expected), "f1": _ratio(2 * both, expected + found)}


def _ratio(part, whole):
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) != 0)


# ------------------------------------------------------------------ errors

KINDS = ("missed", "spurious", "boundary", "type", "type_and_boundary")


def compare(gold, predicted):
    """The differences between a sentence's gold and predicted tags: (kind, gold entity or None, predicted entity or None), in order.

    A gold entity stands against the predicted one that overlaps it most. It is `missed` if none does; a predicted entity against which
    none stands is `spurious`.
    """
    expected, found = entities(gold), entities(predicted)
    differences, met = [], set()
    for entity in expected:
        best = max(found, key=lambda other: _overlap(entity, other), default=None)
        if best is None or not _overlap(entity, best):
            differences.append(("missed", entity, None))
            continue
        met.add(best)
        same_type, same_place = entity[0] == best[0], entity[1:] == best[1:]
        if not same_type or not same_place:
            differences.append(("boundary" if same_type else "type" if same_place else "type_and_boundary", entity, best))
    differences += [("spurious", None, other) for other in found if other not in met]
    return sorted(differences, key=lambda difference: (difference[1] or difference[2])[1])


def confusion(gold, predicted, types):
    """Entities by gold type (rows) and predicted type (columns), each with "none" at the end: {"labels": […], "counts": [[…]]}.

    A gold entity stands against the predicted one that overlaps it most.
    """
    labels = [*types, "none"]
    counts = Counter()
    for right, guess in zip(gold, predicted, strict=True):
        differences = compare(right, guess)
        wrong = {expected for _, expected, _ in differences}
        counts.update((entity[0], entity[0]) for entity in entities(right) if entity not in wrong)
        counts.update((expected[0] if expected else "none", found[0] if found else "none") for _, expected, found in differences)
    return {"labels": labels, "counts": [[counts[row, column] for column in labels] for row in labels]}


def _overlap(one, other):
    return max(0, min(one[2], other[2]) - max(one[1], other[1]))
