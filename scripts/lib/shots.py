"""Examples that a few-shot prompt shows: always from train, never from test.

random   drawn with a seed, the same for every article, in the order drawn
short    the shortest articles whose references are of use, the same for every article, the shortest first
similar  the articles nearest to the article at hand (BM25), the nearest last, next to it
diverse  articles near to the article at hand but unlike each other (maximal marginal relevance), the nearest last

Equally good pairs keep the order of train. None is a pair of test, or nearly one.
"""

import random
import unicodedata

import bm25s
import numpy as np
import regex
from scipy.sparse import csc_matrix, csr_matrix

from lib.near_duplicates import NearArticles
from lib.program import InputError
from lib.shot_selections import FIXED

LEAST_WORDS = 5  # of a reference that is of use
RELEVANCE = 0.5  # of `diverse`: 1 asks for nearness to the article only, 0 for distance between the shots only
POOL = 10  # candidates of `diverse` for each shot
QUERIES = 256  # articles that are compared with train at a time

# letters of scripts that put no space between words are words by themselves, as in Lucene's standard analyzer
WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*|[\p{L}\p{N}][\p{L}\p{N}\p{M}]*(?:\u200c[\p{L}\p{N}\p{M}]+)*"
)
SAME_LETTER = str.maketrans("يىك", "ییک")  # Persian typed on an Arabic keyboard


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


def words(text):
    """The words of a text in any script, in the form in which texts are compared."""
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold().translate(SAME_LETTER))


class Index:
    """Okapi BM25 over documents, in Lucene's variant with k1 = 1.5 and b = 0.75, by bm25s; a query's words count once each.

    Lù, "BM25S: Orders of magnitude faster lexical search via eager sparse scoring", 2024. bm25s weighs the words; the scores of many
    queries at a time come from a product of sparse matrices, since its own retrieval goes word by word and leaves ties to chance.
    """

    def __init__(self, documents):
        self.vocabulary = {}
        ids = [[self.vocabulary.setdefault(word, len(self.vocabulary)) for word in words(document)] for document in documents]
        self.vocabulary.setdefault("", len(self.vocabulary))  # so that there is one, even if no document holds a word
        self.size = len(documents)
        if not any(ids):
            self.weights = csr_matrix((self.size, len(self.vocabulary)), dtype=np.float32)
            return
        index = bm25s.BM25(backend="numpy", csc_backend="scipy")
        index.index((ids, self.vocabulary), create_empty_token=False, show_progress=False)
        columns = (index.scores["data"], index.scores["indices"], index.scores["indptr"])
        self.weights = csc_matrix(columns, shape=(self.size, len(self.vocabulary))).tocsr()

    def scores(self, queries):
        """For each query its BM25 score with every document."""
        by_word = self.weights.T.tocsr()
        for start in range(0, len(queries), QUERIES):
            found = [
                sorted({self.vocabulary[word] for word in words(query) if word in self.vocabulary})
                for query in queries[start : start + QUERIES]
            ]
            ends = np.cumsum([0, *map(len, found)])
            ids = np.concatenate([np.asarray(row, dtype=np.int32) for row in found])
            asked = csr_matrix((np.ones(len(ids), dtype=np.float32), ids, ends), shape=(len(found), by_word.shape[0]))
            yield from (asked @ by_word).toarray()

    def nearest(self, queries, number):
        """For each query the places of the `number` documents with the highest scores, the nearest last."""
        for scores in self.scores(queries):
            yield best(scores, number)[::-1]

    def diverse(self, queries, number):
        """For each query the places of `number` documents by maximal marginal relevance, the nearest last.

        Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries", 1998.
        One after another, of the best candidates, the one is taken that is highest in RELEVANCE · its score (as a share of the best
        score) − (1 − RELEVANCE) · its cosine with the nearest one taken, both of BM25 weights.
        """
        norms = np.sqrt(np.asarray(self.weights.multiply(self.weights).sum(axis=1)).ravel())
        for scores in self.scores(queries):
            pool = best(scores, POOL * number)
            relevance = scores[pool] / (scores[pool[0]] or 1)
            vectors, lengths = self.weights[pool], norms[pool]
            closest, taken = np.zeros(len(pool)), []
            while len(taken) < number:
                gain = RELEVANCE * relevance - (1 - RELEVANCE) * closest
                gain[taken] = -np.inf
                taken.append(int(gain.argmax()))
                products = (vectors @ vectors[taken[-1]].toarray()[0]) / np.maximum(lengths * lengths[taken[-1]], 1e-12)
                closest = np.maximum(closest, products)
            yield pool[sorted(taken, reverse=True)].tolist()


def best(scores, number):
    """Places of the highest scores, the highest first; of equal ones the first."""
    number = min(number, len(scores))
    least = np.partition(scores, len(scores) - number)[len(scores) - number]
    places = np.flatnonzero(scores >= least)
    return places[np.argsort(-scores[places], kind="stable")][:number]
