"""What a summary is like beside its article, without a reference: length, copying, repetition, and names and numbers that stand in it.

Novel n-grams: See et al. (2017), doi:10.18653/v1/P17-1099. An n-gram is n words or numbers that follow each other once punctuation marks
are left out, whatever their case.
"""

import re
from collections import Counter

import numpy as np

from lib.intervals import ratio_intervals
from lib.ner_scores import entities
from lib.sentences import sentences
from lib.words import words

RATIOS = (
    "words",
    "compression",
    "novel_unigrams",
    "novel_bigrams",
    "novel_trigrams",
    "repetition",
    "faithful_entities",
    "faithful_numbers",
)
PERCENT = RATIOS[2:]
COUNTS = ("summaries", "empty", "entities", "numbers")
NUMBER = re.compile(r"\d+(?:[.,٫٬]\d+)*")
THOUSANDS = re.compile(r"\d{1,3}(?:[,٬]\d{3})+(?:[.٫]\d+)?")


class Article:
    """An article as summaries are held against it."""

    def __init__(self, text):
        tokens = [token.casefold() for token, _, _ in words(text)]
        said = spoken(tokens)
        self.words = len(text.split())
        self.ngrams = {n: set(ngrams(said, n)) for n in (1, 2, 3)}
        self.numbers = numbers(text)
        self._text = joined(tokens)

    def names(self, entity):
        """Whether an entity (words without their case) stands in the article, word by word."""
        return joined(entity) in self._text


def measured(summary, names, article):
    """The sums of one summary whose ratios over all articles are its system's qualities: {ratio: (part, whole)}.

    names   the different entities of the summary, as tuples of words without their case
    """
    said = spoken([token.casefold() for token, _, _ in words(summary)])
    grams = {n: Counter(ngrams(said, n)) for n in (1, 2, 3)}
    length, figures = len(summary.split()), numbers(summary)
    novel = {n: (len(grams[n].keys() - article.ngrams[n]), len(grams[n])) for n in grams}
    return {
        "words": (length, 1),
        "compression": (article.words / length, 1) if length else (0, 0),
        "novel_unigrams": novel[1],
        "novel_bigrams": novel[2],
        "novel_trigrams": novel[3],
        "repetition": (grams[3].total() - len(grams[3]), grams[3].total()),
        "faithful_entities": (sum(map(article.names, names)), len(names)),
        "faithful_numbers": (len(figures & article.numbers), len(figures)),
    }


def qualities(measurements, seed):
    """A block of qualities.json from the `measured` of each article: each ratio's value and interval over the articles, and counts.

    A ratio is None where no summary has anything of it.
    """
    parts, wholes = (np.array([[sums[ratio][place] for ratio in RATIOS] for sums in measurements], dtype=float) for place in (0, 1))
    parts[:, [RATIOS.index(ratio) for ratio in PERCENT]] *= 100
    blocks = dict(zip(RATIOS, ratio_intervals(parts, wholes, seed), strict=True))
    totals = dict(zip(RATIOS, wholes.sum(axis=0).astype(int).tolist(), strict=True))
    counts = (totals["words"], totals["words"] - totals["compression"], totals["faithful_entities"], totals["faithful_numbers"])
    return blocks | {"counts": dict(zip(COUNTS, counts, strict=True))}


def spoken(tokens):
    """Tokens with a letter or a digit."""
    return [token for token in tokens if any(map(str.isalnum, token))]


def ngrams(tokens, n):
    return zip(*(tokens[start:] for start in range(n)), strict=False)


def numbers(text):
    """The different numbers written in digits, whatever their script and their thousands separators: 1,000 is 1000."""
    return {normalized(number) for number in NUMBER.findall(text)}


def normalized(number):
    if THOUSANDS.fullmatch(number):
        number = re.sub("[,٬]", "", number)
    return "".join(str(int(char)) if char.isdecimal() else "." for char in number)


def joined(tokens):
    """Words as one text in which a part of the words is a part of the text."""
    return f" {' '.join(tokens)} "


class EntityFinder:
    """The entities of `types` in `texts`, by a tagger that sees each sentence once, however often it comes."""

    def __init__(self, tagger, language, types, texts):
        different = dict.fromkeys(sentence for text in texts for sentence in sentences(text)) if types else ()
        cut = {sentence: tokens for sentence in different if (tokens := [word for word, _, _ in words(sentence)])}
        tags, _ = tagger.tag(list(cut.values()), [language] * len(cut))
        self.found = {
            sentence: [tuple(map(str.casefold, tokens[start:end])) for label, start, end in entities(own) if label in types]
            for (sentence, tokens), own in zip(cut.items(), tags, strict=True)
        }

    def entities(self, text):
        """The different entities of one of the texts, each a tuple of words without their case."""
        return list(dict.fromkeys(name for sentence in sentences(text) for name in self.found.get(sentence, [])))
