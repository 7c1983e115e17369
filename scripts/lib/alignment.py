"""Alignment of words with subwords (N6): a sentence of words becomes windows of subwords, and predictions on windows become words' again.

The tokenizer gets the words one by one, so each subword knows its word. Every word has a first subword, which speaks for it:
predictions are read there, and a word that the tokenizer maps to nothing gets the unknown token in its place. A sentence that
does not fit into a window goes on in the next one; the cut lies between two words, unless one word alone is longer than a window.
"""

from dataclasses import dataclass

from lib.labels import OUTSIDE

IGNORED = -100  # the label of a subword on which no loss is computed
ALIGNMENTS = ("first", "all")


@dataclass
class Window:
    """sentence   the number of the sentence
    input_ids  subword ids with the special tokens around them
    starts     positions of the first subwords of words; over the windows of a sentence, one for each word, in order
    words      for each position, the number of its word in the sentence, None for special tokens
    """

    sentence: int
    input_ids: list
    starts: list
    words: list


def windows(tokenizer, sentences, max_length):
    """The windows of `sentences` (lists of words), of at most `max_length` subwords with the special tokens, in order."""
    filled = [number for number, words in enumerate(sentences) if words]
    if not filled:
        return
    encoded = tokenizer(
        [sentences[number] for number in filled],
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    begin, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    for position, number in enumerate(filled):
        ids, words = encoded["input_ids"][position], encoded.word_ids(position)
        if len(set(words)) < len(sentences[number]):
            ids, words = _with_unknown(ids, words, len(sentences[number]), tokenizer.unk_token_id)
        for start, stop in _cuts(words, max_length - 2):
            part = words[start:stop]
            starts = [1 + at - start for at, word in enumerate(part, start) if at == 0 or words[at - 1] != word]
            yield Window(number, [begin, *ids[start:stop], end], starts, [None, *part, None])


def _with_unknown(ids, words, count, unknown):
    """Subwords and their words, with the unknown token for each of the `count` words that has no subword."""
    new_ids, new_words, following = [], [], 0
    for subword, word in zip([*ids, None], [*words, count], strict=True):
        new_ids += [unknown] * (word - following)
        new_words += range(following, word)
        if word < count:
            new_ids.append(subword)
            new_words.append(word)
        following = word + 1
    return new_ids, new_words


def _cuts(words, size):
    """Ranges of at most `size` subwords that cover all, cut between words where that is possible."""
    start = 0
    while len(words) - start > size:
        stop = start + size
        while stop > start and words[stop] == words[stop - 1]:
            stop -= 1
        if stop == start:  # one word fills the whole window
            stop = start + size
        yield start, stop
        start = stop
    yield start, len(words)


def aligned_labels(window, tags, ids, alignment):
    """A label id a subword: the word's on its first subword; on its others none (`first`), or the I- label of its type (`all`).

    tags   the tags of the whole sentence
    ids    label → id
    """
    starts, labels = set(window.starts), []
    for position, word in enumerate(window.words):
        if position in starts:
            labels.append(ids[tags[word]])
        elif word is None or alignment == "first":
            labels.append(IGNORED)
        else:
            labels.append(ids[tags[word] if tags[word] == OUTSIDE else f"I-{tags[word][2:]}"])
    return labels


def by_sentence(values, sentences, count):
    """Lists of values (one a word) for each of `count` sentences, from (values at a window's starts) and the windows' sentence numbers."""
    joined = [[] for _ in range(count)]
    for part, sentence in zip(values, sentences, strict=True):
        joined[sentence].extend(part)
    return joined


# ------------------------------------------------------------------ to be seen

SHOWN = range(4, 13)  # words of a sentence that is short enough to be shown


def examples(tokenizer, rows, labels, alignment):
    """Of each language the first short sentence that has an entity of several subwords in one word, aligned as for training.

    Returns {language: [{"word", "tag", "subwords", "labels"}, …]}; None stands for a label that the loss does not see.
    """
    found, ids = {}, {label: number for number, label in enumerate(labels)}
    for row in rows:
        words, tags = row["tokens"], row["ner_tags"]
        if row["language"] in found or len(words) not in SHOWN or set(tags) == {OUTSIDE}:
            continue
        window, *more = windows(tokenizer, [words], tokenizer.model_max_length)
        if more:
            continue
        subwords = tokenizer.convert_ids_to_tokens(window.input_ids)
        aligned = [None if label == IGNORED else labels[label] for label in aligned_labels(window, tags, ids, alignment)]
        shown = [{"word": word, "tag": tag, "subwords": [], "labels": []} for word, tag in zip(words, tags, strict=True)]
        for subword, label, word in zip(subwords, aligned, window.words, strict=True):
            if word is not None:
                shown[word]["subwords"].append(subword)
                shown[word]["labels"].append(label)
        if any(len(entry["subwords"]) > 1 and entry["tag"] != OUTSIDE for entry in shown):
            found[row["language"]] = shown
    return found
