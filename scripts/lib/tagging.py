"""Sentences through the tagger: windows of subwords in, one tag for each word out."""

from dataclasses import dataclass

import numpy as np

from lib.alignment import aligned_labels, by_sentence, windows
from lib.cleaning import TOKEN_STEPS, clean_token
from lib.device import resolve_precision
from lib.labels import LabelScheme, type_of
from lib.model_tokenizer import load_tokenizer
from lib.program import InputError
from lib.tagger import Collator, load_tagger, predict


@dataclass
class Encoder:
    """Makes windows of sentences: dicts for lib.tagger's Collator and `predict`.

    scheme, alignment   needed for windows with labels only
    """

    tokenizer: object
    max_length: int
    scheme: LabelScheme | None = None
    alignment: str | None = None

    def words(self, sentences):
        """Windows of `sentences` (lists of words): sentence, input_ids, starts."""
        for window in windows(self.tokenizer, sentences, self.max_length):
            yield {"sentence": window.sentence, "input_ids": window.input_ids, "starts": window.starts}

    def rows(self, rows):
        """Windows of `rows` (dicts of tokens, ner_tags and source): sentence, input_ids, starts, labels, source (a number)."""
        ids = {label: number for number, label in enumerate(self.scheme.labels)}
        sources = {source: number for number, source in enumerate(self.scheme.sources)}
        for window in windows(self.tokenizer, [row["tokens"] for row in rows], self.max_length):
            row = rows[window.sentence]
            if row["source"] not in sources:
                raise InputError(
                    f"sentence {window.sentence + 1}: found the source {row['source']!r}; expected one of {', '.join(sources)}, "
                    "which the label scheme has; run the workflow again, which writes both"
                )
            yield {
                "sentence": window.sentence,
                "input_ids": window.input_ids,
                "starts": window.starts,
                "labels": aligned_labels(window, row["ner_tags"], ids, self.alignment),
                "source": sources[row["source"]],
            }


def tag_words(model, encoded, count, collator, batch_size, precision):
    """For each of `count` sentences a tag a word and its probability, and an array of the sums of their words' losses (0 for windows
    without labels).

    encoded   windows, as Encoder makes them
    """
    results = predict(model, encoded, collator, batch_size, precision)
    sentences = [window["sentence"] for window in encoded]
    names = model.config.id2label
    tags = by_sentence([[names[number] for number in ids.tolist()] for ids, _, _ in results], sentences, count)
    scores = by_sentence([values.tolist() for _, values, _ in results], sentences, count)
    return tags, scores, np.bincount(sentences, [loss for _, _, loss in results], minlength=count)


def loss_a_word(losses, tags):
    """The mean loss a word of the sentences that have these sums of losses, and these tags."""
    return float(losses.sum()) / max(1, sum(map(len, tags)))


class RawTagger:
    """A trained tagger for words as texts have them: they are cleaned as in training."""

    def __init__(self, folder, precision, batch_size):
        self.model, self.tokenizer = load_tagger(folder), load_tokenizer(folder)
        self.steps = getattr(self.model.config, "token_steps", None)
        if self.steps is None:
            raise InputError(
                f"{folder}: its config.json does not say how the words of its training data were cleaned; expected token_steps, a list of "
                f"some of {', '.join(TOKEN_STEPS)}; name a tagger that ner_train.py wrote, or add the key"
            )
        self.precision, self.batch_size = resolve_precision(precision), batch_size

    @property
    def types(self):
        """The types of entities that the model knows."""
        return list(dict.fromkeys(filter(None, map(type_of, self.model.config.id2label.values()))))

    def tag(self, sentences, languages):
        """A tag a word and its probability, for each of `sentences` (lists of words) in the language beside it."""
        cleaned = [
            [clean_token(word, language, self.steps) for word in sentence] for sentence, language in zip(sentences, languages, strict=True)
        ]
        encoded = list(Encoder(self.tokenizer, self.tokenizer.model_max_length).words(cleaned))
        collator = Collator(self.tokenizer.pad_token_id)
        return tag_words(self.model, encoded, len(cleaned), collator, self.batch_size, self.precision)[:2]
