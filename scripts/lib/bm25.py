"""Documents that are near to a text (BM25), and some of them that are unlike each other."""

import bm25s
import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from lib.search_words import words

RELEVANCE = 0.5  # of `diverse`: 1 asks for nearness to the article only, 0 for distance between the shots only
POOL = 10  # candidates of `diverse` for each shot
QUERIES = 256  # articles that are compared with train at a time


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
