"""Texts that differ little: found by MinHash and locality-sensitive hashing, then checked by the exact Jaccard similarity.

A sentence or an article is the set of its character n-grams, in the bare form in which sentences are compared, so that letter
variants, invisible characters and spaces make no difference; texts of two languages are never similar. Broder, "On the resemblance and
containment of documents", 1997; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3.
"""

from array import array
from zlib import crc32

import numpy as np

from lib.bare import bare
from lib.letters import bare_text

with bare("datasketch"):  # which loads scipy
    from datasketch.minhash import MinHash

PERMUTATIONS = 64
RECALL = 0.99  # of pairs as similar as the threshold; of more similar ones more are found
SEED = 1
FACTORS = np.random.default_rng(SEED).integers(0, 2**63, size=(2, PERMUTATIONS), dtype=np.uint64) * np.uint64(2) + np.uint64(1)


class NearDuplicates:
    """Index of sentences that finds those similar to another one.

    threshold   least Jaccard similarity of two sentences' sets of character n-grams
    characters  length of the n-grams; a shorter sentence is its own only n-gram
    tokens_of   function from the number of an indexed sentence to its tokens and its language

    It holds a number of 64 bits and a place for each band of each sentence (datasketch's own MinHashLSH keeps a Python set and a
    bytes object there, twenty times as much): no tokens and no sketches. It is sorted when it is asked after additions, so add first,
    then ask.
    """

    def __init__(self, threshold, characters, tokens_of):
        self.threshold, self.characters, self.tokens_of = threshold, characters, tokens_of
        self.rows = rows_of_a_band(threshold)
        self.sketch = MinHash(PERMUTATIONS, seed=SEED, scheme="affine32", hashfunc=int)
        self.numbers, self.pending = array("q"), array("Q")
        self.bands, self.places = np.array([], dtype=np.uint64), np.array([], dtype=np.uint32)

    def __len__(self):
        return len(self.numbers)

    def add(self, number, tokens, language):
        self.numbers.append(number)
        self.pending.frombytes(self._bands(self._grams(tokens, language)).tobytes())

    def matches(self, tokens, language):
        """Numbers of the indexed sentences that are as similar as the threshold or more, ascending."""
        return sorted(number for number, _ in self.similar(tokens, language))

    def has_match(self, tokens, language, wanted=None):
        return next(self.similar(tokens, language, wanted), None) is not None

    def similar(self, tokens, language, wanted=None):
        """Pairs of the number of such a sentence and its similarity, likely ones first; who needs one only stops there.

        wanted  function from an array of numbers to one boolean each: which of them to look at
        """
        self._sort()
        grams = self._grams(tokens, language)
        bands = self._bands(grams)
        starts, ends = np.searchsorted(self.bands, bands, "left"), np.searchsorted(self.bands, bands, "right")
        places = np.concatenate([self.places[start:end] for start, end in zip(starts, ends, strict=True)])
        if not len(places):
            return
        places, shared = np.unique(places, return_counts=True)
        numbers = np.frombuffer(self.numbers, dtype=np.int64)[places]
        if wanted is not None:
            chosen = wanted(numbers)
            numbers, shared = numbers[chosen], shared[chosen]
        for number in numbers[np.argsort(-shared, kind="stable")].tolist():
            similarity = jaccard(grams, self._grams(*self.tokens_of(number)))
            if similarity >= self.threshold:
                yield number, similarity

    def _grams(self, tokens, language):
        """The n-grams as different numbers of 64 bits, sorted; those of two languages have none in common."""
        codes = np.frombuffer(bare_text(tokens, language).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
        width = min(self.characters, len(codes))
        hashes = np.full(len(codes) - width + 1, width + (crc32(str(language).encode()) << 8), dtype=np.uint64)
        for position in range(width):
            hashes = hashes * FACTORS[0, 0] + codes[position : len(codes) - width + 1 + position]
        return np.unique(hashes)

    def _bands(self, grams):
        """A number of 64 bits for each band of the sketch: equal where two sketches agree in the whole band."""
        self.sketch.clear()
        self.sketch.update_batch((grams >> np.uint64(32)).tolist())
        count = PERMUTATIONS // self.rows * self.rows
        mixed = (self.sketch.hashvalues[:count].astype(np.uint64) + FACTORS[0, :count]) * FACTORS[1, :count]
        return np.bitwise_xor.reduce(mixed.reshape(-1, self.rows) ^ mixed.reshape(-1, self.rows) >> np.uint64(29), axis=1)

    def _sort(self):
        if self.pending:
            bands = np.frombuffer(self.pending, dtype=np.uint64)
            per_sentence = PERMUTATIONS // self.rows
            first = len(self.numbers) - len(bands) // per_sentence
            places = np.repeat(np.arange(first, len(self.numbers), dtype=np.uint32), per_sentence)
            bands, places = np.concatenate([self.bands, bands]), np.concatenate([self.places, places])
            order = np.argsort(bands, kind="stable")
            self.bands, self.places, self.pending = bands[order], places[order], array("Q")


class NearArticles:
    """Articles, given as texts of any language, each of a split."""

    def __init__(self, threshold, characters):
        self.articles, self.splits = [], []
        self.index = NearDuplicates(threshold, characters, lambda number: (self.articles[number].split(), None))

    def add(self, split, articles):
        for article in articles:
            self.index.add(len(self.articles), article.split(), None)
            self.articles.append(article)
            self.splits.append(split)

    def split_of(self, article):
        """The split of an article that is nearly the same, of several splits the one added first; None if there is no such article."""
        return next((self.splits[number] for number in self.index.matches(article.split(), None)), None)


def rows_of_a_band(threshold):
    """The most rows with which a pair as similar as the threshold still shares a band with a probability of RECALL."""
    rows = (rows for rows in range(PERMUTATIONS, 0, -1) if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= RECALL)
    return next(rows, 1)


def jaccard(one, other):
    """The similarity of two sorted arrays of different numbers."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def deduplicate_near(frame, sentence_of, threshold, characters):
    """A boolean a line of `frame`: whether the row goes, since it differs little from one of test, or of what is left of validation.

    sentence_of  function from the position of a line to the tokens and the language of its row

    A copy of a sentence does not count as near to it.
    """
    split, key, gone = frame["split"].to_numpy(), frame["key"].to_numpy(), np.zeros(len(frame), dtype=bool)
    for held_out, others in (("test", ("validation", "train")), ("validation", ("train",))):
        index = NearDuplicates(threshold, characters, sentence_of)
        for line in np.flatnonzero((split == held_out) & ~gone):
            index.add(line, *sentence_of(line))
        for line in np.flatnonzero(np.isin(split, others) & ~gone):
            gone[line] = index.has_match(*sentence_of(line), lambda numbers, line=line: key[numbers] != key[line])
    return gone
