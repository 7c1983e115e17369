"""ROUGE with Google's rouge_score."""

from rouge_score import tokenizers
from rouge_score.rouge_scorer import RougeScorer

from lib.sentences import sentences

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def rouge(predictions, references, stemmer):
    """F-measures in percent: {metric: [a score a pair]}, and how many references hold no word that rouge_score can see.

    Its words are Latin letters and digits, so a text in another script scores 0.
    """
    tokenizer = tokenizers.DefaultTokenizer(use_stemmer=stemmer)
    scorer = RougeScorer(ROUGE, tokenizer=tokenizer)
    # Lsum takes each line for a sentence; the other metrics do not see lines
    rows = [scorer.score(lines(reference), lines(text)) for text, reference in zip(predictions, references, strict=True)]
    scores = {metric: [100 * row[metric].fmeasure for row in rows] for metric in ROUGE}
    return scores, sum(not tokenizer.tokenize(reference) for reference in references)


def lines(text):
    return "\n".join(sentences(text))
