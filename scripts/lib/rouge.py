"""ROUGE with Google's rouge_score."""

import re
from functools import lru_cache

from lib.bare import bare
from lib.program import Steps
from lib.sentences import sentences

with bare("nltk", "nltk.stem"):  # of which rouge_score needs one stemmer
    from rouge_score import tokenizers
    from rouge_score.rouge_scorer import RougeScorer

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
LONGEST = 5_000  # words; the table of a pair with this many on both sides takes 200 MB
WORD = re.compile("[a-z0-9]+", re.IGNORECASE | re.ASCII)  # rouge_score's words


def rouge(predictions, references, stemmer):
    """F-measures in percent: {system: {metric: [a score a pair]}}, how many references hold no word that rouge_score can see, and of each
    system how many pairs were cut.

    predictions   {system: [a text a reference]}

    Its words are Latin letters and digits, so a text in another script scores 0. Of a pair of which both texts have more than LONGEST
    words, the rest is cut off: memory and time grow with the product of their lengths.
    """
    tokenizer = RememberingTokenizer(stemmer)
    scorer = RougeScorer(ROUGE, tokenizer=tokenizer)
    scores = {system: {metric: [] for metric in ROUGE} for system in predictions}
    cut, unseen = dict.fromkeys(predictions, 0), 0
    steps = Steps("ROUGE of article", len(references))
    for number, reference in enumerate(references):
        target, long_target = lines(reference), beyond(reference)
        unseen += not tokenizer.tokenize(target)
        for system, texts in predictions.items():
            text, long = texts[number], long_target and beyond(texts[number])
            pair = (lines(reference[:long_target]), lines(text[:long])) if long else (target, lines(text))
            cut[system] += bool(long)
            for metric, score in scorer.score(*pair).items():
                scores[system][metric].append(100 * score.fmeasure)
        steps.at(number + 1)
    return scores, unseen, cut


class RememberingTokenizer(tokenizers.DefaultTokenizer):
    """rouge_score's own tokenizer; a word is stemmed once, and a text that comes again, as a reference does with every system, cut once."""

    def __init__(self, use_stemmer):
        super().__init__(use_stemmer)
        self.tokenize = lru_cache(maxsize=1024)(super().tokenize)
        if use_stemmer:
            self._stemmer.stem = lru_cache(maxsize=100_000)(self._stemmer.stem)


def lines(text):
    """A sentence a line: Lsum takes each line for a sentence, and the other metrics do not see lines."""
    return "\n".join(sentences(text))


def beyond(text):
    """Where the word after the LONGEST begins, 0 if there is none."""
    if len(text) < 2 * LONGEST:
        return 0
    return next((match.start() for number, match in enumerate(WORD.finditer(text)) if number == LONGEST), 0)
