"""Data sets of tagged sentences as downloaded: rows of tokens and tag names, read in batches, and the corpus that each row came from."""

from collections import Counter
from dataclasses import dataclass

import datasets
import numpy as np

from lib.dataset_folder import load_splits
from lib.digests import SEPARATOR, digest
from lib.labels import Source, parse
from lib.program import InputError

SPLITS = ("train", "validation", "test")
BATCH = 2000  # rows in memory at once
TEXT = ("string", "large_string")


@dataclass(frozen=True)
class DatasetSpec:
    """What the configuration says of a data set: `labels` maps its types onto the scheme's, `sources` are tried in their order."""

    name: str
    language: str
    columns: dict
    labels: dict
    sources: tuple
    limit: dict
    config: str | None

    @classmethod
    def of(cls, entry):
        """From the JSON that the rules pass: the config's keys, with the name of each data set and source beside them."""
        sources = tuple(Source.of(**source) for source in entry["sources"])
        fields = ("name", "language", "columns", "labels", "limit", "config")
        return cls(sources=sources, **{field: entry[field] for field in fields})


@dataclass
class Row:
    """A sentence as downloaded: `names` are its tags as they are spelled there."""

    number: int
    tokens: list
    names: list


class RawDataset:
    """The splits of a data set as downloaded."""

    def __init__(self, spec, folder):
        self.spec, self.folder = spec, folder
        found = load_splits(folder, spec.config)
        self.splits = {split: found[split] for split in SPLITS if split in found}
        for split, rows in self.splits.items():
            for key, column in spec.columns.items():
                if column not in rows.column_names:
                    raise InputError(
                        f"ner.datasets.{spec.name}.columns.{key}: no column {column!r} in split {split}; "
                        f"found {', '.join(rows.column_names)}; expected one of these; correct the key"
                    )
                self._check_lists(split, key, rows.features[column])
        for split in ("train", "test"):
            if split not in self.splits:
                raise InputError(
                    f"data set {spec.name}: no split {split}; found {', '.join(found)}; "
                    "expected train and test, since splits are not drawn anew; choose a data set that has both"
                )

    def _check_lists(self, split, key, feature):
        """Raise InputError unless a column holds a list a sentence, which of tokens is one of texts."""
        value = getattr(feature, "feature", None)
        if value is None or (key == "tokens" and getattr(value, "dtype", None) not in TEXT):
            raise InputError(
                f"ner.datasets.{self.spec.name}.columns.{key}: column {self.spec.columns[key]!r} of split {split} holds {feature}; "
                f"expected lists of {'texts' if key == 'tokens' else 'tags'}; choose a column of lists"
            )

    def names(self, split):
        """The tag names behind the ids of a split's tag column, in their order; None if the column holds names itself."""
        feature = self.splits[split].features[self.spec.columns["tags"]]
        value = feature.feature
        if isinstance(value, datasets.ClassLabel):
            return value.names
        if getattr(value, "dtype", None) not in TEXT:
            raise InputError(
                f"ner.datasets.{self.spec.name}.columns.tags: column {self.spec.columns['tags']!r} of split {split} holds {value}; "
                "expected tag names, or ids of a ClassLabel that names them; choose a column of names"
            )
        return None

    def batches(self, split):
        """Lists of rows, in order."""
        names = self.names(split)
        columns = [self.spec.columns["tokens"], self.spec.columns["tags"]]
        start = 0
        for batch in self.splits[split].select_columns(columns).with_format("arrow").iter(BATCH):
            tokens, tags = (batch[column].to_pylist() for column in columns)
            rows = []
            for number, (words, values) in enumerate(zip(tokens, tags, strict=True), start):
                if words is None or values is None or None in words or None in values:
                    raise InputError(
                        f"{self.place(split, number)}: a missing value; expected lists of tokens and tags; correct or remove the row"
                    )
                rows.append(Row(number, words, values if names is None else [self.name(names, value, split, number) for value in values]))
            yield rows
            start += len(rows)

    def name(self, names, value, split, number):
        if not 0 <= value < len(names):
            raise InputError(f"{self.place(split, number)}: tag id {value}; expected 0 to {len(names) - 1}; correct the row")
        return names[value]

    def place(self, split, number):
        return f"data set {self.spec.name}, split {split}, row {number}"

    def repeated_digests(self):
        """Digests of the sentences that the data set holds more than once, whatever the split, sorted."""
        digests = np.concatenate(
            [
                np.fromiter((digest(SEPARATOR.join(row.tokens)) for row in rows), dtype=np.uint64, count=len(rows))
                for split in self.splits
                for rows in self.batches(split)
            ]
        )
        values, counts = np.unique(digests, return_counts=True)
        return values[counts > 1]


class TagReader:
    """Tag names of one data set as tags of the common scheme: IOB2 with '-', types mapped. Raises InputError for what the map lacks."""

    def __init__(self, spec):
        self.spec, self.known = spec, {}

    def read(self, row, split):
        """The tags of a row. Raises InputError if there are more or fewer tags than tokens."""
        place = f"data set {self.spec.name}, split {split}, row {row.number}"
        if len(row.tokens) != len(row.names):
            raise InputError(
                f"{place}: {len(row.tokens)} tokens but {len(row.names)} tags; expected one tag for each token; "
                "turn on ner.cleaning.drop_unequal, or correct the row"
            )
        try:
            return [self.known[name] for name in row.names]
        except KeyError:
            for name in row.names:
                self.known[name] = self._mapped(name, place)
            return [self.known[name] for name in row.names]

    def _mapped(self, name, place):
        try:
            prefix, label = parse(name)
        except ValueError as error:
            raise InputError(f"{place}: tag {error}; correct the row, or name another column of tags") from None
        if label is None:
            return name
        if label not in self.spec.labels:
            raise InputError(
                f"{place}: tag {name!r} has the type {label}, which ner.datasets.{self.spec.name}.labels does not cover; "
                f"expected one of {', '.join(self.spec.labels)}; add {label} to it"
            )
        return f"{prefix}-{self.spec.labels[label]}"


class SourceFinder:
    """Which corpus a row came from: the first source of the data set that fits, decided on the data set as downloaded."""

    def __init__(self, raw):
        self.sources = raw.spec.sources
        wants_repeats = any(source.repeated for source in self.sources)
        self.repeated = raw.repeated_digests() if wants_repeats else np.array([], dtype=np.uint64)

    def of(self, tokens, tags):
        """The name of the source of a sentence with these raw tokens and mapped tags."""
        if len(self.sources) == 1:
            return self.sources[0].name
        types = {tag[2:] for tag in tags if tag != "O"}
        is_repeated = len(self.repeated) > 0 and self._is_repeated(digest(SEPARATOR.join(tokens)))
        return next(source.name for source in self.sources if source.fits(types, is_repeated))

    def _is_repeated(self, value):
        place = int(np.searchsorted(self.repeated, np.uint64(value)))
        return place < len(self.repeated) and int(self.repeated[place]) == value


def entity_counts(tags):
    """How many entities of each type a sentence's tags begin."""
    return Counter(tag[2:] for tag in tags if tag[0] == "B")
