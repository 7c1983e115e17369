"""One edit of each key of a configuration: of every leaf of the one at hand, and of every key that the schema allows besides.

Of keys that entries of a registry may have and none of their kind has, one entry stands for all.
"""

import copy
from fnmatch import fnmatch

from plans import Edit

WHOLE = (
    "*.labels",
    "*.limit",
    "*.split",
    "*.variants.*.near_duplicates",
    "*.variants.*.training",
    "*.lora",
)  # edited as one, not key by key
FIXED = (
    *("run", "*.source", "*.kind"),  # a run has its own folder; another source or kind is another entry
    "*.systems.calibrated.scope",  # there is one value only
)
EXCLUDED = ("*.systems.*.model", "*.systems.*.parent", "*.sources.*.has_type", "*.sources.*.repeated")  # by another key that is there
ALIKE = ("*.systems.*.training.*",)  # one value on a command line: those that some system has stand for all
OTHERS = {  # values that another rule of the configuration has something to say about
    "ner.backbone": "roberta_large",
    "ner.datasets.*.language": "de",
    "ner.datasets.*.labels": {"MORE": "PER"},
    "ner.train_languages": ["en"],
    "ner.variants.*.backbone": "roberta_large",
    "ner.variants.*.train_languages": ["en"],
    "ner.variants.*.training": {"num_train_epochs": 2},
    "student_id": "00000001",
    "seeds": [43],
    "report.templates": "prompts",
    "report.answers": "prompts",
    "summarization.dataset": "conll2003",
    "summarization.bertscore.model": "xlm_roberta",
    "summarization.article_words.max": 1000,
    "summarization.studies.*.baseline": "lead3",
    "summarization.studies.*.axis": "amount",
    "summarization.systems.*.model": ("llama", "smollm2"),
    "summarization.systems.*.parent": "smollm2_base",
    "*.prompt": ("chat", "plain"),
    "ner.variants.*.near_duplicates": {"threshold": 0.9, "characters": 5},
    "summarization.training.lora": {"r": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj"]},
    "summarization.systems.*.training.lora": {"r": 2, "alpha": 8, "dropout": 0.0, "targets": ["q_proj"]},
    "*.generation.selection": "short",
    "*.sha256": "0" * 64,
    "*.path": "tests/data/ner_en",
    "*.split": {"train": 0.5, "validation": 0.25, "test": 0.25},
    "*.limit": {"train": 20, "validation": None, "test": None},
    "*.gigabytes": 1.5,
    "*.config": "default",
    "*.platform": "manylinux2014_x86_64",
    "*.repository": "org/other",
}


def key_edits(config, schema):
    """{dotted key: Edit} of every key, in the order of the configuration; those that it lacks come after it."""
    node = Schema(schema)
    found = {}
    for path, value in leaves(config):
        key = ".".join(path)
        if not any(fnmatch(key, pattern) for pattern in FIXED):
            found[key] = Edit(keys=nested(path, another(key, value, node.at(path, config))))
    known = {node.place(key.split("."), config) for key in found}
    for path, part in node.missing(config):
        key, place = ".".join(path), node.place(path, config)
        if place not in known and not any(fnmatch(key, pattern) for pattern in (*FIXED, *EXCLUDED, *ALIKE)):
            known.add(place)
            found[key] = Edit(keys=nested(path, another(key, inherited(path, config), part)))
    return found


def inherited(path, config):
    """The value that holds for an entry without the key: the section's that the entry overrides, if there is one."""
    ner, summarization = config["ner"], config["summarization"]
    sections = {("ner", "variants"): [ner], ("summarization", "systems"): [summarization, summarization["generation"]]}
    for value in sections.get(path[:2], []):
        for key in path[3:]:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return value
    return None


def leaves(value, path=()):
    """(path, value) of all that is no section, and of sections that are edited as one."""
    if isinstance(value, dict) and value and not any(fnmatch(".".join(path), pattern) for pattern in WHOLE):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def another(key, value, schema):
    """A value that the schema allows and that is not the present one."""
    for pattern, others in OTHERS.items():
        if fnmatch(key, pattern):
            for other in others if isinstance(others, tuple) else [others]:
                if other != value:
                    return copy.deepcopy(other)
    if "enum" in schema:
        return next(option for option in schema["enum"] if option != value)
    if isinstance(value, bool) or (value is None and schema.get("type") == "boolean"):
        return not value
    if isinstance(value, int) or (value is None and "integer" in schema.get("type", "")):
        return (value or schema.get("minimum", 1)) + 1
    if isinstance(value, float) or (value is None and schema.get("type") == "number"):
        return 0.9 * value if value else 0.9
    if isinstance(value, list):
        return value[:-1] or [*value, *value]
    if isinstance(value, dict):
        return {**value, **{name: f"{text} (edited)" for name, text in value.items()}}
    return f"{value or 'text'}x"


class Schema:
    """The parts of a JSON schema by the keys of what it describes."""

    def __init__(self, schema):
        self.schema = schema

    def resolved(self, part):
        while "$ref" in part:
            reference, part = part["$ref"], self.schema
            for name in reference.removeprefix("#/").split("/"):
                part = part[name]
        return part

    def properties(self, part, value):
        """{key: part} of a section; of the alternatives, that which fits the value's source or kind."""
        part = self.resolved(part)
        for option in part.get("oneOf", []):
            own = self.resolved(option).get("properties", {})
            fixed = {name: own[name]["const"] for name in own if "const" in self.resolved(own[name])}
            if isinstance(value, dict) and own and all(value.get(name) == const for name, const in fixed.items()):
                return own
        return part.get("properties", {})

    def at(self, path, config):
        part, value = self.schema, config
        for key in path:
            own = self.properties(part, value)
            part = own[key] if key in own else self.resolved(part).get("additionalProperties", {})
            part = part if isinstance(part, dict) else {}
            value = value.get(key) if isinstance(value, dict) else None
        return self.resolved(part)

    def place(self, path, config):
        """The path with the names of a registry's entries replaced by their source or kind."""
        part, value, found = self.schema, config, []
        for key in path:
            own = self.properties(part, value)
            value = value.get(key) if isinstance(value, dict) else None
            if key in own:
                found.append(key)
                part = own[key]
            else:
                found.append(next((value[name] for name in ("source", "kind") if isinstance(value, dict) and name in value), "*"))
                part = self.resolved(part).get("additionalProperties", {})
                part = part if isinstance(part, dict) else {}
        return tuple(found)

    def missing(self, value, part=None, path=()):
        """(path, part) of every key that the schema allows and the configuration lacks."""
        part, value = self.schema if part is None else part, value or {}
        for key, inner in self.properties(part, value).items():
            whole = any(fnmatch(".".join((*path, key)), pattern) for pattern in WHOLE)
            if not whole and isinstance(value.get(key, {}), dict) and (self.properties(inner, value.get(key)) or key in value):
                yield from self.missing(value.get(key), inner, (*path, key))
            elif key not in value:
                yield (*path, key), self.resolved(inner)
        more = self.resolved(part).get("additionalProperties")
        for key in value if isinstance(more, dict) else ():
            if isinstance(value[key], dict):
                yield from self.missing(value[key], more, (*path, key))
