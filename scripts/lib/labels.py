"""Entity tags in IOB2, and the scheme onto which corpora with different types are brought.

Types that a corpus does not annotate are a decision: its O is silent about them. A scheme says which types are learned and which
types each source annotates.
"""

import re
from dataclasses import asdict, dataclass

from lib.program import InputError
from lib.records import read_json

OUTSIDE = "O"
SCHEMES = ("intersection", "union", "masked_union")
TAG = re.compile(r"([BI])[-_](.+)")


def parse(tag):
    """The prefix and the type of a tag, whichever separator it has: `B-LOC` and `B_LOC` are ("B", "LOC"), `O` is ("O", None).

    Raises ValueError for anything else.
    """
    if tag == OUTSIDE:
        return OUTSIDE, None
    match = TAG.fullmatch(tag)
    if not match:
        raise ValueError(f"{tag!r} is no IOB tag; expected O, B-TYPE or I-TYPE")
    return match[1], match[2]


def type_of(tag):
    """The type of an IOB2 tag with '-', None for O."""
    return None if tag == OUTSIDE else tag[2:]


def is_orphan(tag, previous):
    """Whether `tag` goes on with an entity that `previous` (None at the start of a sentence) is no part of."""
    return tag[0] == "I" and (previous is None or previous[1:] != tag[1:])


def only(tags, types):
    """Tags of `types` as they are, O in place of all others."""
    return [tag if tag == OUTSIDE or tag[2:] in types else OUTSIDE for tag in tags]


@dataclass(frozen=True)
class Source:
    """A corpus within a data set, and the types that its annotators tagged."""

    name: str
    types: tuple
    has_type: frozenset = frozenset()
    repeated: bool = False

    @classmethod
    def of(cls, name, types, has_type=(), repeated=False):
        return cls(name, tuple(types), frozenset(has_type), repeated)

    def fits(self, types, is_repeated):
        """Whether a sentence with entities of `types`, held more than once or not, belongs here; a source without conditions takes all."""
        if not self.has_type and not self.repeated:
            return True
        return bool(self.has_type & types) or (self.repeated and is_repeated)


@dataclass(frozen=True)
class LabelScheme:
    """name     intersection, union or masked_union
    types    the types that are learned, in the order of the labels
    sources  source → {"dataset", "language", "types"}; its types are those of the scheme that it annotates
    """

    name: str
    types: tuple
    sources: dict

    @classmethod
    def of(cls, name, datasets, languages=None):
        """The scheme `name` over the sources of `datasets` (objects with name, language and sources).

        languages  those trained on (None: all): types that none of their sources annotates cannot be learned and are left out
        """
        sources = {}
        for dataset in datasets:
            for source in dataset.sources:
                if source.name in sources:
                    raise InputError(
                        f"ner.datasets.{dataset.name}.sources.{source.name}: {sources[source.name]['dataset']} has a source of that name "
                        "too; expected a name of its own for every source; rename one"
                    )
                sources[source.name] = {"dataset": dataset.name, "language": dataset.language, "types": source.types}
        annotated = [source["types"] for source in sources.values()]
        union = tuple(dict.fromkeys(label for types in annotated for label in types))
        types = tuple(label for label in union if all(label in types for types in annotated)) if name == "intersection" else union
        trained = [source["types"] for source in sources.values() if languages is None or source["language"] in languages]
        types = tuple(label for label in types if any(label in taught for taught in trained))
        if not types:
            raise InputError(
                "ner.label_scheme intersection: no type is annotated by every source; expected at least one; choose union or masked_union"
            )
        for source in sources.values():
            source["types"] = [label for label in types if label in source["types"]]
        return cls(name, types, sources)

    @classmethod
    def read(cls, path):
        entry = read_json(path)
        return cls(entry["name"], tuple(entry["types"]), entry["sources"])

    def as_dict(self):
        return {**asdict(self), "types": list(self.types), "labels": self.labels}

    @property
    def labels(self):
        """Label names in the order of their ids; O is 0."""
        return [OUTSIDE] + [f"{prefix}-{label}" for label in self.types for prefix in "BI"]

    def annotated(self, source):
        """The types that a source annotates."""
        return set(self.sources[source]["types"])

    def silent(self, source):
        """One boolean a label: whether this source's O says nothing against it. All False unless negatives are masked."""
        known = self.annotated(source) if self.name == "masked_union" else set(self.types)
        return [label != OUTSIDE and type_of(label) not in known for label in self.labels]
