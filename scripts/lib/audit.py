"""What is wrong with data sets of tagged sentences as downloaded (N2): checks that count problems and show examples.

A split is held as numbers: each row's tokens and tags are codes into the vocabulary of its data set, so that whatever concerns a
token by itself is decided once for each different token.
"""

import unicodedata
from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pandas as pd

from lib.cleaning import ROW_STEPS, RULES, TOKEN_STEPS, clean_token, key_of
from lib.digests import digest
from lib.labels import OUTSIDE, TAG, parse
from lib.letters import ARABIC_DIGITS, ZWNJ, normalize_letters, remove_invisible
from lib.near_duplicates import NearDuplicates
from lib.ner_data import SPLITS, SourceFinder, TagReader

EXAMPLES, WIDTH = 5, 90  # examples of a finding, and characters of each
RARE = 50  # entities in the merged test split below which a type's score says little
BLOCK = 100_000  # numbers worked on at once
DIGITS = {"ascii": "0123456789", "persian": "۰۱۲۳۴۵۶۷۸۹", "arabic_indic": "".join(ARABIC_DIGITS)}


@dataclass
class Finding:
    """id        what kind of problem
    split     None where the data set as a whole is meant
    count     of what `unit` says, out of `of`
    fix       the step that deals with it, or how else it is dealt with; None if nothing does
    fixed     the rows that the fix is for, as triples of data set, split and row numbers; None if it is for no rows
    detail    figures that only this kind has
    """

    id: str
    dataset: str
    split: str | None
    count: int
    of: int
    unit: str
    fix: str | None
    fixed: list | None = None
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
    """Rows of a split as codes of tokens and tags, one after the other, where each row ends, and its source: six bytes a token."""

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
        self.row_sources = np.frombuffer(row_sources, dtype=np.int16)  # the number of each row's source; -1 for one of unequal lengths
        counts = np.bincount(self.row_sources + 1, minlength=len(numbers) + 1)[1:].tolist()
        self.sources = dict(zip(numbers, counts, strict=True))  # source → rows

    def __len__(self):
        return len(self.lengths)

    def row(self, number):
        return self.codes[self.ends[number] : self.ends[number + 1]]

    def tag_row(self, number):
        return self.tag_codes[self.tag_ends[number] : self.tag_ends[number + 1]]

    def per_row(self, values):
        """Sums over each row's tokens of a number a code."""
        return _sums(values, self.codes, self.ends)

    def per_tagged_row(self, values):
        """Sums over each row's tags of a number a code."""
        return _sums(values, self.tag_codes, self.tag_ends)

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


def _sums(values, codes, ends):
    """Sums of a number a code over the codes between each end and the next."""
    sums = np.empty(len(ends) - 1, dtype=np.int64)
    for start in range(0, len(sums), BLOCK):
        block = ends[start : start + BLOCK + 1]
        sums[start : start + BLOCK] = np.diff(np.concatenate([[0], values[codes[block[0] : block[-1]]].cumsum()])[block - block[0]])
    return sums


class AuditedDataset:
    """A data set, its vocabulary of tokens and of tags, and its splits."""

    def __init__(self, raw):
        self.raw, self.spec = raw, raw.spec
        vocabulary, tags, sources = Vocabulary(), Vocabulary(), SourceFinder(raw)
        self.splits = {name: Split(raw, name, vocabulary, tags, sources) for name in raw.splits}
        self.tokens, self.tags = list(vocabulary), list(tags)
        self.parsed = [_parsed(tag) for tag in self.tags]
        self.types = [raw.spec.labels.get(label) for _, label in self.parsed]  # of the common scheme
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


def _parsed(tag):
    """What `parse` says, and a prefix of its own for what is no tag; such a row has more or fewer tags than tokens, or cleaning failed."""
    try:
        return parse(tag)
    except ValueError:
        return "?", None


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
    subwords  function: list of tokens → two arrays over them: the number of its subwords, and how many of them are the unknown one
    near      least similarity of near-duplicates, and characters of the n-grams of which it is the Jaccard similarity
    rows      what became of each downloaded row, as `read_rows` gives it
    """

    def __init__(self, datasets, scheme, cleaning, subwords, max_length, near, rows):
        self.datasets, self.scheme, self.cleaning, self.max_length = datasets, scheme, cleaning, max_length
        self.near, self.rows = near, rows
        self.subwords = cache(lambda dataset: subwords(dataset.tokens))
        self.cleaned_subwords = cache(lambda dataset: self._cleaned_subwords(dataset, subwords))

    def _cleaned_subwords(self, dataset, subwords):
        """For each token of a vocabulary the number of its subwords once it is cleaned; -1 if it is dropped."""
        steps = [step for step in TOKEN_STEPS if self.on[step]]
        left = [clean_token(token, dataset.spec.language, steps) for token in dataset.tokens]
        sizes = self.subwords(dataset)[0].copy()
        changed = [place for place, (one, other) in enumerate(zip(left, dataset.tokens, strict=True)) if one != other]
        sizes[changed] = subwords([left[place] for place in changed])[0]
        if self.on["drop_empty"]:
            sizes[[place for place, token in enumerate(left) if not token.strip()]] = -1
        return sizes

    def run(self):
        """Findings in the order of the checks, and the ids of the checks that found nothing."""
        findings, nothing = [], []
        for check in CHECKS:
            found = list(check(self))
            findings += found
            if not found:
                nothing.append(check.__name__)
        return findings, nothing

    @cached_property
    def on(self):
        """For each cleaning step whether it is on."""
        return {entry["step"]: entry["on"] for entry in self.cleaning["steps"]}

    def splits(self):
        for dataset in self.datasets:
            for split in dataset.splits.values():
                yield dataset, split

    def split_pairs(self):
        """Held-out splits and the splits that must not hold their sentences: (data set, split, other data set, other split).

        Other data sets of the same language count as well.
        """
        for dataset in self.datasets:
            for other in sorted(self.datasets, key=lambda other: other is not dataset):
                if other.spec.language == dataset.spec.language:
                    for here, there in (("test", "train"), ("test", "validation"), ("validation", "train")):
                        if here in dataset.splits and there in other.splits:
                            yield dataset, dataset.splits[here], other, other.splits[there]


def all_rows(dataset, chosen=None):
    """All rows of a data set, or those that a function from split to row numbers chooses, as triples for `Finding.fixed`."""
    return [(dataset, split, np.arange(len(split)) if chosen is None else chosen(split)) for split in dataset.splits.values()]


def tag_conventions(audit):
    """Tag names that are not spelled with '-', as seqeval and the other data sets have them."""
    for dataset in audit.datasets:
        other = [tag for tag, (prefix, _) in zip(dataset.tags, dataset.parsed, strict=True) if prefix in ("B", "I") and tag[1] != "-"]
        if other:
            concerned = np.array([tag in other for tag in dataset.tags])
            rows = all_rows(dataset, lambda split, concerned=concerned: np.flatnonzero(split.per_tagged_row(concerned)))
            yield Finding(
                "tag_conventions",
                dataset.spec.name,
                None,
                sum(len(numbers) for _, _, numbers in rows),
                sum(map(len, dataset.splits.values())),
                "sentences",
                "unify_tags",
                rows,
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
        for number, source in enumerate(dataset.spec.sources):
            untagged = [label for label in union if label not in source.types]
            rows = all_rows(dataset, lambda split, number=number: np.flatnonzero(split.row_sources == number))
            count = sum(len(numbers) for _, _, numbers in rows)
            if untagged and count:
                yield Finding(
                    "label_sets",
                    dataset.spec.name,
                    None,
                    count,
                    sum(map(len, dataset.splits.values())),
                    "sentences",
                    "label_scheme",
                    rows,
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
            last = len(dataset.spec.sources) - 1
            yield Finding(
                "source_groups",
                dataset.spec.name,
                None,
                undecided,
                rows,
                "sentences",
                "label_scheme",
                all_rows(dataset, lambda split, last=last: np.flatnonzero(split.row_sources == last)),
                detail={"sources": counts, "undecided": dataset.spec.sources[-1].name},
            )


def missing_split(audit):
    for dataset in audit.datasets:
        missing = [split for split in SPLITS if split not in dataset.splits]
        if missing:
            examples = [{"split": split} for split in missing]
            rows = all_rows(dataset)
            yield Finding("missing_split", dataset.spec.name, None, len(missing), len(SPLITS), "splits", "hold_out", rows, examples)


def repeated_sentences(audit):
    """Sentences that the data set holds more than once, in whichever splits, by exact tokens."""
    for dataset in audit.datasets:
        digests = np.concatenate([split.digests for split in dataset.splits.values()])
        sentences, copies = np.unique(digests, return_counts=True)
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
                all_rows(dataset, lambda split, repeated=sentences[copies > 1]: np.flatnonzero(np.isin(split.digests, repeated))),
                detail={"unique": len(copies), "sentences_by_copies": histogram},
            )


def duplicates_within(audit):
    """Rows that repeat an earlier row of their split, by exact tokens; `normalized`: also but for letters, spaces, invisible characters."""
    for dataset, split in audit.splits():
        keys = dataset.keys(split)
        repeats, normalized = _repeats(split.digests), _repeats(keys)
        if normalized.any():
            rows = np.flatnonzero(repeats)
            copies = np.flatnonzero(np.isin(keys, keys[normalized]))
            yield Finding(
                "duplicates_within",
                dataset.spec.name,
                split.name,
                len(rows),
                len(split),
                "sentences",
                "deduplicate_within",
                [(dataset, split, copies)],
                dataset.show(split, rows if len(rows) else np.flatnonzero(normalized)),
                {"unique": len(split) - len(rows), "normalized": int(normalized.sum())},
            )


def duplicates_across(audit):
    """Rows of test and validation that stand in train, and of test that stand in validation, by exact tokens."""
    for dataset, split, other_set, other in audit.split_pairs():
        if other_set is dataset:
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
                    [(dataset, other, np.flatnonzero(np.isin(dataset.keys(other), dataset.keys(split))))],
                    dataset.show(split, rows if len(rows) else np.flatnonzero(normalized)),
                    {
                        "in": other.name,
                        "unique": unique_leaked,
                        "unique_of": unique,
                        "unique_share": unique_leaked / unique,
                        "normalized": int(normalized.sum()),
                    },
                )


def duplicates_between(audit):
    """Rows that another data set of the language holds too, by normalized text: in the same split, or where it must not."""
    for place, dataset in enumerate(audit.datasets):
        for other_set in audit.datasets[:place]:
            if other_set.spec.language == dataset.spec.language:
                for name in SPLITS:
                    if name in dataset.splits and name in other_set.splits:
                        yield from _between(dataset, dataset.splits[name], other_set, other_set.splits[name], "deduplicate_within", dataset)
    for dataset, split, other_set, other in audit.split_pairs():
        if other_set is not dataset:
            yield from _between(dataset, split, other_set, other, "deduplicate_across", other_set)


def _between(dataset, split, other_set, other, fix, losing):
    """A finding of the rows of one split that another one holds; `losing` is the data set out of which copies leave."""
    rows = np.flatnonzero(np.isin(dataset.keys(split), other_set.keys(other)))
    if len(rows):
        here, there = (dataset, split), (other_set, other)
        (one, one_split), (two, two_split) = (here, there) if losing is dataset else (there, here)
        fixed = [(one, one_split, np.flatnonzero(np.isin(one.keys(one_split), two.keys(two_split))))]
        detail = {"in": other.name, "in_dataset": other_set.spec.name}
        examples = dataset.show(split, rows)
        yield Finding("duplicates_between", dataset.spec.name, split.name, len(rows), len(split), "sentences", fix, fixed, examples, detail)


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
        yield from _near("near_duplicates_within", audit, (dataset, split), (dataset, split), found, None, None, {})


def near_duplicates_across(audit):
    """Rows of test and validation of which train (for test also validation) holds no copy, but a sentence that differs little."""
    for dataset, split, other_set, other in audit.split_pairs():
        index, found = other_set.near(other, *audit.near), {}
        mine = NearDuplicates(
            *audit.near, lambda number, dataset=dataset, split=split: (dataset.words(split, number), dataset.spec.language)
        )
        for number in np.flatnonzero(~np.isin(dataset.keys(split), other_set.keys(other))).tolist():
            pair = next(index.similar(dataset.words(split, number), dataset.spec.language), None)
            if pair:
                found[number] = pair
                mine.add(number, dataset.words(split, number), dataset.spec.language)
        left = np.flatnonzero(audit.rows[other_set.spec.name, other.name]["deduplicate_near"]).tolist() if found else []
        similar = [number for number in left if mine.has_match(other_set.words(other, number), other_set.spec.language)]
        fixed = [(other_set, other, np.array(similar, dtype=int))]
        detail = {"in": other.name} | ({"in_dataset": other_set.spec.name} if other_set is not dataset else {})
        yield from _near("near_duplicates_across", audit, (dataset, split), (other_set, other), found, "deduplicate_near", fixed, detail)


def _near(name, audit, here, there, found, fix, fixed, detail):
    """A finding of rows, each with the number of a row over there and the similarity: {number: (number, similarity)}."""
    (dataset, split), (other_set, other) = here, there
    if found:
        rows = np.array(list(found))
        examples = [
            example | {"near": other_set.text(other, near), "similarity": round(similarity, 3)}
            for example, (near, similarity) in zip(dataset.show(split, rows), found.values(), strict=False)
        ]
        detail = detail | dict(zip(("threshold", "characters"), audit.near, strict=True))
        yield Finding(name, dataset.spec.name, split.name, len(rows), len(split), "sentences", fix, fixed, examples, detail)


def with_tags(dataset, split, rows):
    """Examples of rows, each with its tags."""
    return [
        example | {"tags": short(" ".join(dataset.tags[code] for code in split.tag_row(example["row"])))}
        for example in dataset.show(split, rows)
    ]


def conflicting_tags(audit):
    """Rows with the same tokens and different tags in one split."""
    for dataset, split in audit.splits():
        rows, sentences = _conflicts(split.digests, split.tag_digests)
        if len(rows):
            examples = with_tags(dataset, split, rows[np.argsort(split.digests[rows], kind="stable")])
            yield Finding(
                "conflicting_tags",
                dataset.spec.name,
                split.name,
                len(rows),
                len(split),
                "sentences",
                "resolve_conflicts",
                [(dataset, split, rows)],
                examples,
                {"different_sentences": sentences},
            )


def conflicting_tags_across(audit):
    """Rows that another split of the data set tags differently: of such a sentence, the split that comes first in the chain keeps it."""
    for dataset in audit.datasets:
        splits = list(dataset.splits.values())
        digests, tags = (np.concatenate([getattr(split, name) for split in splits]) for name in ("digests", "tag_digests"))
        places = np.repeat(np.arange(len(splits), dtype=np.uint64), list(map(len, splits)))
        # a sentence that is tagged differently somewhere, and stands in several splits
        concerned = np.intersect1d(digests[_conflicts(digests, tags)[0]], digests[_conflicts(digests, places)[0]])
        alike = np.unique(np.stack([digests, places, tags], axis=1), axis=0)
        # of these, those whose taggings are not the same set in each of their splits
        taggings = {}
        for sentence, place, tagging in alike[np.isin(alike[:, 0], concerned)].tolist():
            taggings.setdefault(sentence, {}).setdefault(place, set()).add(tagging)
        differ = [sentence for sentence, by_split in taggings.items() if len(set(map(frozenset, by_split.values()))) > 1]
        differ = np.array(differ, dtype=np.uint64)
        rows = all_rows(dataset, lambda split, differ=differ: np.flatnonzero(np.isin(split.digests, differ)))
        if len(differ):
            examples = [{"split": split.name} | example for _, split, numbers in rows for example in with_tags(dataset, split, numbers[:2])]
            yield Finding(
                "conflicting_tags_across",
                dataset.spec.name,
                None,
                sum(len(numbers) for _, _, numbers in rows),
                len(digests),
                "sentences",
                "deduplicate_across",
                rows,
                examples[:EXAMPLES],
                {"different_sentences": len(differ)},
            )


def _conflicts(sentences, values):
    """Numbers of the rows whose sentence stands with several values, and how many different sentences these are."""
    pairs = np.unique(np.stack([sentences, values], axis=1), axis=0)
    found, counts = np.unique(pairs[:, 0], return_counts=True)
    return np.flatnonzero(np.isin(sentences, found[counts > 1])), int((counts > 1).sum())


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
                [(dataset, split, rows)],
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
        counts, cleaned = split.per_row(np.maximum(sizes, 1)) + 2, audit.cleaned_subwords(dataset)
        rows = np.flatnonzero(counts > audit.max_length)
        still = np.flatnonzero(split.per_row(np.where(cleaned < 0, 0, np.maximum(cleaned, 1))) + 2 > audit.max_length)
        detail = {"max_length": audit.max_length, "longest": int(counts.max(initial=0))}
        yield from _rows(audit, "long_sentences", dataset, split, rows, "split_between_words", detail, [(dataset, split, still)])


def no_subwords(audit):
    """Tokens that the tokenizer maps to nothing."""
    for dataset, split in audit.splits():
        sizes, unknown = audit.subwords(dataset)
        detail = {"with_unknown_subwords": int(split.counts(len(dataset.tokens))[unknown > 0].sum())}
        still = np.flatnonzero(split.per_row(audit.cleaned_subwords(dataset) == 0))
        yield from _tokens("no_subwords", dataset, split, sizes == 0, "unknown_token", detail, [(dataset, split, still)])


def letter_variants(audit):
    """Letters in a form that cleaning replaces: Arabic ones in Persian text, or not composed (NFC)."""
    digits = str.maketrans(ARABIC_DIGITS)
    for dataset, split in audit.splits():
        language = dataset.spec.language
        flags = dataset.flagged(
            lambda token, language=language: normalize_letters(token, language).translate(digits) != token.translate(digits)
        )
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
    """Rows with digits of another script than the split's commonest; one finding a script.

    Arabic-Indic ones in Persian text, which cleaning replaces, are a finding however common they are.
    """
    for dataset, split in audit.splits():
        flags = {
            name: dataset.flagged(lambda token, digits=digits: any(char in digits for char in token)) for name, digits in DIGITS.items()
        }
        tokens = split.counts(len(dataset.tokens))
        counts = {name: int(tokens[flag].sum()) for name, flag in flags.items()}
        changed = "arabic_indic" if dataset.spec.language == "fa" else None
        commonest = max(counts.keys() - {changed}, key=lambda name: (counts[name], name))
        for name, flag in flags.items():
            if name != commonest:
                fix = "normalize_letters" if name == changed else None
                yield from _tokens("digit_scripts", dataset, split, flag, fix, {"script": name, "tokens_by_script": counts})


def class_imbalance(audit):
    """How many tokens are O, and how many entities of each type there are."""
    for dataset, split in audit.splits():
        tags = np.bincount(split.tag_codes, minlength=len(dataset.tags))
        outside = sum(int(count) for count, (prefix, _) in zip(tags, dataset.parsed, strict=True) if prefix == "O")
        entities = Counter()
        for count, (prefix, label) in zip(tags, dataset.parsed, strict=True):
            if prefix == "B":
                entities[dataset.spec.labels.get(label, label)] += int(count)
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
    duplicates_between,
    near_duplicates_within,
    near_duplicates_across,
    conflicting_tags,
    conflicting_tags_across,
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


def _rows(audit, name, dataset, split, rows, fix, detail=None, fixed=None):
    if len(rows):
        fixed = (fixed or [(dataset, split, rows)]) if fix else None
        examples = dataset.show(split, rows)
        yield Finding(name, dataset.spec.name, split.name, len(rows), len(split), "sentences", fix, fixed, examples, detail or {})


def _tokens(name, dataset, split, flags, fix, detail=None, fixed=None):
    """A finding of the rows that hold a token of the vocabulary with a flag; `fixed`: other rows that the fix is for."""
    rows = np.flatnonzero(split.per_row(flags.astype(int)))
    if len(rows):
        detail = {"tokens": int(split.counts(len(dataset.tokens))[flags].sum())} | (detail or {})
        examples = dataset.show_tokens(split, rows, flags)
        fixed = (fixed or [(dataset, split, rows)]) if fix else None
        yield Finding(name, dataset.spec.name, split.name, len(rows), len(split), "sentences", fix, fixed, examples, detail)


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
    """What was done about each finding of an audit, by what became of its rows: by a step of ner_clean.py, or by another part of the
    workflow.
    """

    def __init__(self, audit):
        self.scheme, self.rows, self.on = audit.scheme, audit.rows, audit.on

    def of(self, finding):
        """Whether the fix of a finding is on (None without a fix), and how many rows it changed (None if it changes no rows)."""
        if finding.fix is None:
            return None, None
        if finding.fix == "label_scheme":
            is_on = self.scheme.name != "union"
        elif finding.id == "repeated_sentences":
            is_on = any(map(self.on.get, ROW_STEPS))
        else:
            is_on = self.on.get(finding.fix, True)
        if finding.fixed is None:
            return is_on, None
        return is_on, sum(int(self._changed(finding, *rows).sum()) for rows in finding.fixed) if is_on else 0

    def _changed(self, finding, dataset, split, numbers):
        """A boolean for each of these rows: whether the fix changed it, or left it out."""
        became = self.rows[dataset.spec.name, split.name]
        if finding.id == "repeated_sentences":  # copies leave by any of the steps that choose among rows
            return np.logical_or.reduce([became[step][numbers] for step in ROW_STEPS])
        if finding.fix in RULES:
            return became[finding.fix][numbers]
        if finding.fix == "hold_out":
            return became["held_out"][numbers]
        kept = became["kept"][numbers]  # training and evaluation do the rest, with the sentences that they are given
        if finding.fix == "label_scheme" and self.scheme.name == "intersection":
            lost = np.array([label not in (None, *self.scheme.types) for label in dataset.types])
            return kept & (split.per_tagged_row(lost)[numbers] > 0)
        return kept


def read_rows(path):
    """The table of ner_clean.py as {(data set, split): {column: an array of booleans over the rows}}."""
    table = pd.read_parquet(path)
    return {
        where: {name: part[name].to_numpy() for name in part.columns[2:]}
        for where, part in table.groupby(["dataset", "split"], sort=False, observed=True)
    }
