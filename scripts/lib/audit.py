"""What is wrong with data sets of tagged sentences as downloaded (N2): checks that count problems and show examples.

A split is held as numbers: each row's tokens and tags are codes into the vocabulary of its data set, so that whatever concerns a
token by itself is decided once for each different token.
"""

import unicodedata
from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lib.cleaning import ROW_STEPS, RULES, key_of
from lib.labels import OUTSIDE, TAG, parse
from lib.letters import ARABIC_DIGITS, ZWNJ, normalize_letters, remove_invisible
from lib.near_duplicates import NearDuplicates
from lib.ner_data import SPLITS, SourceFinder, TagReader, digest

EXAMPLES, WIDTH = 5, 90  # examples of a finding, and characters of each
RARE = 50  # entities in the merged test split below which a type's score says little
BLOCK = 100_000  # numbers worked on at once
DIGITS = {"ascii": "0123456789", "persian": "۰۱۲۳۴۵۶۷۸۹", "arabic_indic": "".join(ARABIC_DIGITS)}


@dataclass
class Finding:
    """id        what kind of problem
    split     None where the data set as a whole is meant
    rows      numbers of the rows concerned, where rows are
    count     of what `unit` says, out of `of`
    fix       the step that deals with it, or how else it is dealt with; None if nothing does
    detail    figures that only this kind has
    """

    id: str
    dataset: str
    split: str | None
    count: int
    of: int
    unit: str
    fix: str | None
    rows: np.ndarray = field(default_factory=lambda: np.array([], dtype=int))
    examples: list = field(default_factory=list)
    detail: dict = field(default_factory=dict)

    def as_dict(self, fixes):
        fix_on, rows_changed = fixes.of(self)
        return {
            "id": self.id,
            "dataset": self.dataset,
            "split": self.split,
            "unit": self.unit,
            "count": int(self.count),
            "of": int(self.of),
            "share": float(self.count / self.of) if self.of else 0.0,
            "fix": self.fix,
            "fix_on": fix_on,
            "rows_changed": rows_changed,
            "examples": self.examples,
            "detail": self.detail,
        }


# ------------------------------------------------------------------ data sets as numbers


class Vocabulary(dict):
    """Token → code, in the order of first appearance."""

    def __missing__(self, token):
        self[token] = len(self)
        return self[token]


class Split:
    """Rows of a split as codes of tokens and tags, one after the other, and where each row ends: six bytes a token."""

    def __init__(self, raw, name, tokens, tags, sources):
        self.name, tags_of = name, TagReader(raw.spec)
        numbers = {source.name: number for number, source in enumerate(raw.spec.sources)}
        codes, tag_codes, ends, tag_ends, row_sources = array("i"), array("h"), array("q", [0]), array("q", [0]), array("h")
        for rows in raw.batches(name):
            for row in rows:
                codes.extend([tokens[token] for token in row.tokens])
                tag_codes.extend([tags[tag] for tag in row.names])
                ends.append(len(codes))
                tag_ends.append(len(tag_codes))
                equal = len(row.tokens) == len(row.names)
                row_sources.append(numbers[sources.of(row.tokens, tags_of.read(row, name))] if equal else -1)
        self.codes, self.tag_codes = np.frombuffer(codes, dtype=np.int32), np.frombuffer(tag_codes, dtype=np.int16)
        self.ends, self.tag_ends = np.frombuffer(ends, dtype=np.int64), np.frombuffer(tag_ends, dtype=np.int64)
        self.lengths = np.diff(self.ends)
        counts = np.bincount(np.array(row_sources, dtype=np.int16) + 1, minlength=len(numbers) + 1)[1:].tolist()
        self.sources = dict(zip(numbers, counts, strict=True))  # source → rows; one of unequal lengths has none

    def __len__(self):
        return len(self.lengths)

    def row(self, number):
        return self.codes[self.ends[number] : self.ends[number + 1]]

    def tag_row(self, number):
        return self.tag_codes[self.tag_ends[number] : self.tag_ends[number + 1]]

    def per_row(self, values):
        """Sums over each row's tokens of a number a code."""
        sums = np.empty(len(self), dtype=np.int64)
        for start in range(0, len(self), BLOCK):
            ends = self.ends[start : start + BLOCK + 1]
            sums[start : start + BLOCK] = np.diff(np.concatenate([[0], values[self.codes[ends[0] : ends[-1]]].cumsum()])[ends - ends[0]])
        return sums

    def counts(self, vocabulary):
        """How often each code of a vocabulary of this size stands in the split."""
        return sum(
            (np.bincount(self.codes[start : start + BLOCK], minlength=vocabulary) for start in range(0, len(self.codes), BLOCK)),
            start=np.zeros(vocabulary, dtype=np.int64),
        )

    @cached_property
    def digests(self):
        """Equal for rows with the same tokens."""
        return self._each_row(lambda number: digest(self.row(number).tobytes()))

    @cached_property
    def tag_digests(self):
        return self._each_row(lambda number: digest(self.tag_row(number).tobytes()))

    def _each_row(self, function):
        return np.fromiter(map(function, range(len(self))), dtype=np.uint64, count=len(self))


class AuditedDataset:
    """A data set, its vocabulary of tokens and of tags, and its splits."""

    def __init__(self, raw):
        self.raw, self.spec = raw, raw.spec
        vocabulary, tags, sources = Vocabulary(), Vocabulary(), SourceFinder(raw)
        self.splits = {name: Split(raw, name, vocabulary, tags, sources) for name in raw.splits}
        self.tokens, self.tags = list(vocabulary), list(tags)
        self.parsed = [parse(tag) for tag in self.tags]
        self._keys, self._near = {}, {}

    def words(self, split, number):
        return [self.tokens[code] for code in split.row(number)]

    def text(self, split, number):
        return short(" ".join(self.words(split, number)))

    def flagged(self, test):
        """A boolean a token of the vocabulary."""
        return np.array([test(token) for token in self.tokens], dtype=bool)

    def keys(self, split):
        """Equal for rows that are copies but for letter variants, invisible characters and spaces."""
        if split.name not in self._keys:
            keys = (key_of(self.words(split, number), self.spec.language) for number in range(len(split)))
            self._keys[split.name] = np.fromiter(keys, dtype=np.uint64, count=len(split))
        return self._keys[split.name]

    def first_copies(self, split):
        """Numbers of the rows that are no copies of an earlier one."""
        return np.flatnonzero(~_repeats(self.keys(split)))

    def near(self, split, threshold, characters):
        """The index of the rows of a split, of copies the first."""
        if split.name not in self._near:
            index = NearDuplicates(threshold, characters, lambda number: (self.words(split, number), self.spec.language))
            for number in self.first_copies(split).tolist():
                index.add(number, self.words(split, number), self.spec.language)
            self._near[split.name] = index
        return self._near[split.name]

    def show(self, split, rows):
        """Examples: the first rows' numbers and texts."""
        return [{"row": int(number), "text": self.text(split, number)} for number in rows[:EXAMPLES]]

    def show_tokens(self, split, rows, flags):
        """Examples: of each of the first rows, the first token that has the flag; with escapes where it cannot be seen."""
        examples = []
        for number in rows[:EXAMPLES]:
            token = next(self.tokens[code] for code in split.row(number) if flags[code])
            examples.append({"row": int(number), "token": short(visible(token)), "text": self.text(split, number)})
        return examples


def short(text):
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def visible(text):
    """`text` with \\u escapes for characters that draw nothing."""
    return "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") or (char.isspace() and char != " ") else char
        for char in text
    )


# ------------------------------------------------------------------ checks
# Each yields the findings of one kind in all data sets.


class Audit:
    """datasets  AuditedDatasets, in the order of the configuration
    scheme    the LabelScheme
    cleaning  the report of ner_clean.py
    subwords  function: AuditedDataset → for each token of its vocabulary the number of its subwords, and how many are the unknown one
    near      least similarity of near-duplicates, and characters of the n-grams of which it is the Jaccard similarity
    """

    def __init__(self, datasets, scheme, cleaning, subwords, max_length, near):
        self.datasets, self.scheme, self.cleaning, self.subwords, self.max_length = datasets, scheme, cleaning, subwords, max_length
        self.near = near

    def run(self):
        """Findings in the order of the checks, and the ids of the checks that found nothing."""
        findings, nothing = [], []
        for check in CHECKS:
            found = list(check(self))
            findings += found
            if not found:
                nothing.append(check.__name__)
        return findings, nothing

    def splits(self):
        for dataset in self.datasets:
            for split in dataset.splits.values():
                yield dataset, split

    def split_pairs(self):
        """Held-out splits and the splits that must not hold their sentences: (data set, split, other split)."""
        for dataset in self.datasets:
            for here, there in (("test", "train"), ("test", "validation"), ("validation", "train")):
                if here in dataset.splits and there in dataset.splits:
                    yield dataset, dataset.splits[here], dataset.splits[there]


def tag_conventions(audit):
    """Tag names that are not spelled with '-', as seqeval and the other data sets have them."""
    for dataset in audit.datasets:
        other = [tag for tag, (prefix, _) in zip(dataset.tags, dataset.parsed, strict=True) if prefix != "O" and tag[1] != "-"]
        if other:
            concerned = np.array([tag in other for tag in dataset.tags])
            rows = sum(
                int(np.count_nonzero(np.diff(np.concatenate([[0], concerned[split.tag_codes].cumsum()])[split.tag_ends])))
                for split in dataset.splits.values()
            )
            yield Finding(
                "tag_conventions",
                dataset.spec.name,
                None,
                rows,
                sum(map(len, dataset.splits.values())),
                "sentences",
                "unify_tags",
                examples=[{"tag": tag} for tag in sorted(other)[:EXAMPLES]],
                detail={"separator": other[0][1], "tags": len(other)},
            )


def id_orders(audit):
    """Tags that have another id than in the first data set with ids."""
    first = None
    for dataset in audit.datasets:
        names = dataset.raw.names("train")
        if names is None:
            continue
        ids = {"-".join(filter(None, parse(name))): number for number, name in enumerate(names) if name == OUTSIDE or TAG.fullmatch(name)}
        if first is None:
            first = dataset.spec.name, ids
            continue
        shared = [tag for tag in first[1] if tag in ids]
        differ = [tag for tag in shared if ids[tag] != first[1][tag]]
        if differ:
            yield Finding(
                "id_orders",
                dataset.spec.name,
                None,
                len(differ),
                len(shared),
                "tags",
                "unify_tags",
                examples=[{"tag": tag, "ids": {first[0]: first[1][tag], dataset.spec.name: ids[tag]}} for tag in differ[:EXAMPLES]],
                detail={"other": first[0]},
            )


def label_sets(audit):
    """Sources that leave types of the common scheme untagged, so that their O is silent about them."""
    union = list(dict.fromkeys(label for dataset in audit.datasets for source in dataset.spec.sources for label in source.types))
    for dataset in audit.datasets:
        for source in dataset.spec.sources:
            untagged = [label for label in union if label not in source.types]
            rows = sum(split.sources[source.name] for split in dataset.splits.values())
            if untagged and rows:
                yield Finding(
                    "label_sets",
                    dataset.spec.name,
                    None,
                    rows,
                    sum(map(len, dataset.splits.values())),
                    "sentences",
                    "label_scheme",
                    detail={"source": source.name, "annotates": list(source.types), "silent_about": untagged},
                )


def source_groups(audit):
    """Data sets of several corpora without a column that says which; sentences fall to a source by what they hold."""
    for dataset in audit.datasets:
        if len(dataset.spec.sources) > 1:
            counts = {
                source.name: {name: split.sources[source.name] for name, split in dataset.splits.items()} for source in dataset.spec.sources
            }
            rows, undecided = sum(map(len, dataset.splits.values())), sum(counts[dataset.spec.sources[-1].name].values())
            yield Finding(
                "source_groups",
                dataset.spec.name,
                None,
                undecided,
                rows,
                "sentences",
                "label_scheme",
                detail={"sources": counts, "undecided": dataset.spec.sources[-1].name},
            )


def missing_split(audit):
    for dataset in audit.datasets:
        missing = [split for split in SPLITS if split not in dataset.splits]
        if missing:
            examples = [{"split": split} for split in missing]
            yield Finding("missing_split", dataset.spec.name, None, len(missing), len(SPLITS), "splits", "hold_out", examples=examples)


def repeated_sentences(audit):
    """Sentences that the data set holds more than once, in whichever splits, by exact tokens."""
    for dataset in audit.datasets:
        digests = np.concatenate([split.digests for split in dataset.splits.values()])
        _, copies = np.unique(digests, return_counts=True)
        if len(copies) < len(digests):
            histogram = {str(number): int(count) for number, count in zip(*np.unique(copies, return_counts=True), strict=True)}
            yield Finding(
                "repeated_sentences",
                dataset.spec.name,
                None,
                len(digests) - len(copies),
                len(digests),
                "sentences",
                "deduplicate_within",
                detail={"unique": len(copies), "sentences_by_copies": histogram},
            )


def duplicates_within(audit):
    """Rows that repeat an earlier row of their split, by exact tokens; `normalized`: also but for letters, spaces, invisible characters."""
    for dataset, split in audit.splits():
        repeats, normalized = _repeats(split.digests), _repeats(dataset.keys(split))
        if normalized.any():
            rows = np.flatnonzero(repeats)
            yield Finding(
                "duplicates_within",
                dataset.spec.name,
                split.name,
                len(rows),
                len(split),
                "sentences",
                "deduplicate_within",
                rows,
                dataset.show(split, rows if len(rows) else np.flatnonzero(normalized)),
                {"unique": len(split) - len(rows), "normalized": int(normalized.sum())},
            )


def duplicates_across(audit):
    """Rows of test and validation that stand in train, and of test that stand in validation, by exact tokens."""
    for dataset, split, other in audit.split_pairs():
        leaked, normalized = (np.isin(*both) for both in ((split.digests, other.digests), (dataset.keys(split), dataset.keys(other))))
        if normalized.any():
            rows, unique = np.flatnonzero(leaked), len(np.unique(split.digests))
            unique_leaked = len(np.unique(split.digests[leaked]))
            yield Finding(
                "duplicates_across",
                dataset.spec.name,
                split.name,
                len(rows),
                len(split),
                "sentences",
                "deduplicate_across",
                rows,
                dataset.show(split, rows if len(rows) else np.flatnonzero(normalized)),
                {
                    "in": other.name,
                    "unique": unique_leaked,
                    "unique_of": unique,
                    "unique_share": unique_leaked / unique,
                    "normalized": int(normalized.sum()),
                },
            )


# Similar sentences within a split stay: a split's own scores do not leak from there, and reports and tables repeat their phrases
# with other names, from which a tagger learns. Only copies within a split leave.
def near_duplicates_within(audit):
    """Rows that differ little from an earlier row of their split, and are no copies of one."""
    for dataset, split in audit.splits():
        index, found = dataset.near(split, *audit.near), {}
        for number in dataset.first_copies(split).tolist():
            words = dataset.words(split, number)
            pair = next(index.similar(words, dataset.spec.language, lambda numbers, number=number: numbers < number), None)
            if pair:
                found[number] = pair
        yield from _near("near_duplicates_within", audit, dataset, split, split, found, None, {})


def near_duplicates_across(audit):
    """Rows of test and validation of which train (for test also validation) holds no copy, but a sentence that differs little."""
    for dataset, split, other in audit.split_pairs():
        index, found = dataset.near(other, *audit.near), {}
        for number in np.flatnonzero(~np.isin(dataset.keys(split), dataset.keys(other))).tolist():
            pair = next(index.similar(dataset.words(split, number), dataset.spec.language), None)
            if pair:
                found[number] = pair
        yield from _near("near_duplicates_across", audit, dataset, split, other, found, "deduplicate_near", {"in": other.name})


def _near(name, audit, dataset, split, other, found, fix, detail):
    """A finding of rows, each with the number of a row of `other` and the similarity: {number: (number, similarity)}."""
    if found:
        rows = np.array(list(found))
        examples = [
            example | {"near": dataset.text(other, near), "similarity": round(similarity, 3)}
            for example, (near, similarity) in zip(dataset.show(split, rows), found.values(), strict=False)
        ]
        detail = detail | dict(zip(("threshold", "characters"), audit.near, strict=True))
        yield Finding(name, dataset.spec.name, split.name, len(rows), len(split), "sentences", fix, rows, examples, detail)


def with_tags(dataset, split, rows):
    """Examples of rows, each with its tags."""
    return [
        example | {"tags": short(" ".join(dataset.tags[code] for code in split.tag_row(example["row"])))}
        for example in dataset.show(split, rows)
    ]


def conflicting_tags(audit):
    """Rows with the same tokens and different tags in one split."""
    for dataset, split in audit.splits():
        pairs = np.unique(np.stack([split.digests, split.tag_digests], axis=1), axis=0)
        sentences, taggings = np.unique(pairs[:, 0], return_counts=True)
        rows = np.flatnonzero(np.isin(split.digests, sentences[taggings > 1]))
        if len(rows):
            rows = rows[np.argsort(split.digests[rows], kind="stable")]
            examples = with_tags(dataset, split, rows)
            yield Finding(
                "conflicting_tags",
                dataset.spec.name,
                split.name,
                len(rows),
                len(split),
                "sentences",
                "resolve_conflicts",
                np.sort(rows),
                examples,
                {"different_sentences": int((taggings > 1).sum())},
            )


def invalid_bio(audit):
    """I- tags that go on with nothing: at the start of an entity, or after one of another type."""
    for dataset, split in audit.splits():
        types = Vocabulary({None: 0})
        kinds = np.array([types[label] for _, label in dataset.parsed], dtype=np.int16)[split.tag_codes]
        inside = np.array([prefix == "I" for prefix, _ in dataset.parsed], dtype=bool)[split.tag_codes]
        previous = np.roll(kinds, 1)  # of a row's first tag: nothing
        previous[split.tag_ends[:-1][np.diff(split.tag_ends) > 0]] = 0
        orphans = inside & (previous != kinds)
        rows = np.unique(np.searchsorted(split.tag_ends, np.flatnonzero(orphans), side="right") - 1)
        if len(rows):
            examples = with_tags(dataset, split, rows)
            yield Finding(
                "invalid_bio",
                dataset.spec.name,
                split.name,
                len(rows),
                len(split),
                "sentences",
                "repair_bio",
                rows,
                examples,
                {"tokens": int(orphans.sum()), "type_changes": int((orphans & (previous > 0)).sum())},
            )


def unequal_lengths(audit):
    for dataset, split in audit.splits():
        rows = np.flatnonzero(split.lengths != np.diff(split.tag_ends))
        yield from _rows(audit, "unequal_lengths", dataset, split, rows, "drop_unequal")


def empty_tokens(audit):
    """Tokens without a visible character."""
    for dataset, split in audit.splits():
        empty = dataset.flagged(lambda token, language=dataset.spec.language: not remove_invisible(token, language))
        yield from _tokens("empty_tokens", dataset, split, empty, "drop_empty")


def empty_sentences(audit):
    for dataset, split in audit.splits():
        filled = dataset.flagged(lambda token, language=dataset.spec.language: bool(remove_invisible(token, language)))
        rows = np.flatnonzero(split.per_row(filled.astype(int)) == 0)
        yield from _rows(audit, "empty_sentences", dataset, split, rows, "drop_empty")


def one_token_sentences(audit):
    for dataset, split in audit.splits():
        yield from _rows(audit, "one_token_sentences", dataset, split, np.flatnonzero(split.lengths == 1), None)


def long_sentences(audit):
    """Sentences that do not fit into the tagger's window."""
    for dataset, split in audit.splits():
        sizes, _ = audit.subwords(dataset)
        counts = split.per_row(np.maximum(sizes, 1)) + 2
        rows = np.flatnonzero(counts > audit.max_length)
        detail = {"max_length": audit.max_length, "longest": int(counts.max(initial=0))}
        yield from _rows(audit, "long_sentences", dataset, split, rows, "split_between_words", detail)


def no_subwords(audit):
    """Tokens that the tokenizer maps to nothing."""
    for dataset, split in audit.splits():
        sizes, unknown = audit.subwords(dataset)
        detail = {"with_unknown_subwords": int(split.counts(len(dataset.tokens))[unknown > 0].sum())}
        yield from _tokens("no_subwords", dataset, split, sizes == 0, "unknown_token", detail)


def letter_variants(audit):
    """Letters in a form that cleaning replaces: Arabic ones in Persian text, or not composed (NFC)."""
    digits = str.maketrans(ARABIC_DIGITS)
    for dataset, split in audit.splits():
        language = dataset.spec.language
        flags = dataset.flagged(lambda token, language=language: normalize_letters(token, language) != token.translate(digits))
        characters = _characters(dataset, split, flags, lambda char, language=language: normalize_letters(char, language) != char)
        yield from _tokens("letter_variants", dataset, split, flags, "normalize_letters", {"characters": characters})


def invisible_characters(audit):
    """Zero-width and control characters, spaces inside or around tokens, and what stands for Persian's zero-width non-joiner."""
    for dataset, split in audit.splits():
        language = dataset.spec.language
        flags = dataset.flagged(lambda token, language=language: remove_invisible(token, language) != token)
        odd = _characters(dataset, split, flags, lambda char: unicodedata.category(char) in ("Cc", "Cf") or char.isspace() or char == "¬")
        counts = split.counts(len(dataset.tokens))
        spaced = dataset.flagged(lambda token: any(map(str.isspace, token)))
        detail = {
            "characters": {f"U+{ord(char):04X}": count for char, count in odd.items()},
            "tokens_with_spaces": int(counts[spaced].sum()),
            "tokens_with_zwnj": int(counts[dataset.flagged(lambda token: ZWNJ in token)].sum()),
        }
        yield from _tokens("invisible_characters", dataset, split, flags, "remove_invisible", detail)


def digit_scripts(audit):
    """Rows with digits of another script than the split's commonest; one finding a script. Cleaning knows Arabic-Indic ones in Persian."""
    for dataset, split in audit.splits():
        flags = {
            name: dataset.flagged(lambda token, digits=digits: any(char in digits for char in token)) for name, digits in DIGITS.items()
        }
        tokens = split.counts(len(dataset.tokens))
        counts = {name: int(tokens[flag].sum()) for name, flag in flags.items()}
        commonest = max(counts, key=counts.get)
        for name, flag in flags.items():
            if name != commonest:
                fix = "normalize_letters" if name == "arabic_indic" and dataset.spec.language == "fa" else None
                yield from _tokens("digit_scripts", dataset, split, flag, fix, {"script": name, "tokens_by_script": counts})


def class_imbalance(audit):
    """How many tokens are O, and how many entities of each type there are."""
    for dataset, split in audit.splits():
        tags = np.bincount(split.tag_codes, minlength=len(dataset.tags))
        outside = sum(int(count) for count, (prefix, _) in zip(tags, dataset.parsed, strict=True) if prefix == "O")
        entities = Counter()
        for count, (prefix, label) in zip(tags, dataset.parsed, strict=True):
            if prefix == "B":
                entities[dataset.spec.labels[label]] += int(count)
        if outside:
            detail = {"entities": dict(entities.most_common())}
            yield Finding(
                "class_imbalance", dataset.spec.name, split.name, outside, len(split.tag_codes), "tokens", "entity_scores", detail=detail
            )


def rare_types(audit):
    """Types with few entities in the merged test split, after cleaning and sampling."""
    for dataset in audit.datasets:
        kept = next(
            entry["kept"]["entities"]
            for entry in audit.cleaning["splits"]
            if entry["dataset"] == dataset.spec.name and entry["split"] == "test"
        )
        types = [label for label in audit.scheme.types if any(label in source.types for source in dataset.spec.sources)]
        rare = {label: kept.get(label, 0) for label in types if kept.get(label, 0) < RARE}
        if rare:
            examples = [{"type": label, "entities": count} for label, count in rare.items()]
            yield Finding(
                "rare_types",
                dataset.spec.name,
                "test",
                len(rare),
                len(types),
                "types",
                "intervals",
                examples=examples,
                detail={"below": RARE},
            )


CHECKS = (
    tag_conventions,
    id_orders,
    label_sets,
    source_groups,
    missing_split,
    repeated_sentences,
    duplicates_within,
    duplicates_across,
    near_duplicates_within,
    near_duplicates_across,
    conflicting_tags,
    invalid_bio,
    unequal_lengths,
    empty_tokens,
    empty_sentences,
    one_token_sentences,
    long_sentences,
    no_subwords,
    letter_variants,
    invisible_characters,
    digit_scripts,
    class_imbalance,
    rare_types,
)


def _repeats(keys):
    """A boolean a row: whether an earlier row has the same key."""
    _, first = np.unique(keys, return_index=True)
    repeats = np.ones(len(keys), dtype=bool)
    repeats[first] = False
    return repeats


def _rows(audit, name, dataset, split, rows, fix, detail=None):
    if len(rows):
        yield Finding(
            name, dataset.spec.name, split.name, len(rows), len(split), "sentences", fix, rows, dataset.show(split, rows), detail or {}
        )


def _tokens(name, dataset, split, flags, fix, detail=None):
    """A finding of the rows that hold a token of the vocabulary with a flag."""
    rows = np.flatnonzero(split.per_row(flags.astype(int)))
    if len(rows):
        detail = {"tokens": int(split.counts(len(dataset.tokens))[flags].sum())} | (detail or {})
        examples = dataset.show_tokens(split, rows, flags)
        yield Finding(name, dataset.spec.name, split.name, len(rows), len(split), "sentences", fix, rows, examples, detail)


def _characters(dataset, split, flags, test):
    """How often each character that passes a test stands in the flagged tokens of a split, commonest first."""
    counts = split.counts(len(dataset.tokens))
    characters = Counter()
    for code in np.flatnonzero(flags & (counts > 0)):
        for char in dataset.tokens[code]:
            if test(char):
                characters[char] += int(counts[code])
    return dict(sorted(characters.items(), key=lambda item: (-item[1], item[0])))


def subwords_per_word(audit):
    """How many subwords the words of the train splits make: {language: words, subwords, subwords per word, those of the longest word}."""
    found = {}
    for dataset in audit.datasets:
        counts, (sizes, _) = dataset.splits["train"].counts(len(dataset.tokens)), audit.subwords(dataset)
        entry = found.setdefault(dataset.spec.language, {"words": 0, "subwords": 0, "per_word": 0.0, "longest": 0})
        entry["words"] += int(counts.sum())
        entry["subwords"] += int(counts @ sizes)
        entry["per_word"] = entry["subwords"] / entry["words"] if entry["words"] else 0.0
        entry["longest"] = max(entry["longest"], int(sizes[counts > 0].max(initial=0)))
    return found


# ------------------------------------------------------------------ fixes


class Fixes:
    """What was done about each finding: steps of ner_clean.py by its report, and what other parts of the workflow do."""

    ELSEWHERE = ("unify_tags", "split_between_words", "unknown_token", "entity_scores", "intervals")

    def __init__(self, cleaning, scheme):
        self.scheme, self.held_out = scheme, {entry["dataset"]: entry["rows"] for entry in cleaning["held_out"]}
        self.on = {step["step"]: step["on"] for step in cleaning["steps"]}
        self.changed = {
            (step["step"], change["dataset"], change["split"]): change["rows"] for step in cleaning["steps"] for change in step["changes"]
        }

    def of(self, finding):
        """Whether the fix of a finding is on (None without a fix), and how many rows it changed (None if it changes no rows)."""
        if finding.fix is None:
            return None, None
        if finding.fix in RULES:
            # copies in all splits leave by any of the steps that choose among rows, and copies of a split's sentences leave other splits
            steps = ROW_STEPS if finding.id == "repeated_sentences" else [finding.fix]
            splits = SPLITS if finding.split is None or finding.fix in ("deduplicate_across", "deduplicate_near") else [finding.split]
            return self.on[finding.fix], sum(self.changed.get((step, finding.dataset, split), 0) for step in steps for split in splits)
        if finding.fix == "hold_out":
            return True, self.held_out[finding.dataset]
        if finding.fix == "label_scheme":
            return self.scheme.name != "union", finding.count if self.scheme.name != "union" else 0
        return True, finding.count if finding.unit == "sentences" and finding.fix != "entity_scores" else None
