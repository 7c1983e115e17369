"""The configuration: nulls of presets taken out, checked against the schema and against itself, before any job starts."""

import difflib
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

from lib.pruning_methods import wrong_scope
from lib.records import read_yaml
from lib.systems import lineage

DISCRIMINATORS = ("source", "kind")
TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys and values",
    "null": "null",
}


class ConfigError(Exception):
    """One line: the key, what was found, what was expected, the way out."""


def checked(config, root):
    """The configuration without removed entries; ConfigError at the first thing that is wrong. `root` is the project's folder."""
    schema = _schema(Path(root) / "schemas" / "config.schema.yaml")
    _known_removals(config, schema)
    config = without_removed(config)
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        raise ConfigError(_message(errors[0]))
    for check in (_systems, _named_models, _label_maps, _variants, _compared, _studies, _room_for_shots, _article_words, _own_folders):
        check(config, Path(root))
    return config


def ordered(config, first):
    """`config` with the keys that `first` has in their order there, and its others after them, at every depth.

    Snakemake puts the keys of a --configfile before those that it overrides, and the order of data sets, sources and systems counts.
    """
    if not (isinstance(config, dict) and isinstance(first, dict)):
        return config
    keys = [*(key for key in first if key in config), *(key for key in config if key not in first)]
    return {key: ordered(config[key], first.get(key)) for key in keys}


@cache
def _schema(path):
    return read_yaml(path)


def _known_removals(config, schema):
    """A null takes a key away, so a null for a key that never was is a mistake that nothing else would see."""
    summarization = config.get("summarization")
    places = {
        "model": _entries(config, "models"),
        "dataset": _entries(config, "datasets"),
        "system": _entries(summarization, "systems"),
        "study": _entries(summarization, "studies"),
    }
    for shape, entries in places.items():
        options = schema["$defs"][shape].get("oneOf", [schema["$defs"][shape]])
        known = sorted({name for option in options for name in option["properties"]})
        for name, entry in entries.items():
            for key in entry if isinstance(entry, dict) else ():
                if entry[key] is None and key not in known:
                    _fail(f"{shape} {name}.{key}", "an unknown key, set to null", f"one of {', '.join(known)}", "correct or remove it")


def _entries(section, key):
    """What stands under a key; nothing where the schema will find a value of another shape."""
    entries = section.get(key) if isinstance(section, dict) else None
    return entries if isinstance(entries, dict) else {}


def without_removed(config):
    """A preset removes a model, a dataset, a system, a study, or a key of one, by setting it to null."""
    config = dict(config)
    for section in ("models", "datasets"):
        config[section] = _present(config.get(section), deep=True)
    if isinstance(config.get("ner"), dict):
        config["ner"] = dict(config["ner"], **{key: _present(config["ner"].get(key)) for key in ("datasets", "variants")})
    if isinstance(config.get("summarization"), dict):
        present = {key: _present(config["summarization"].get(key), deep=True) for key in ("systems", "studies")}
        config["summarization"] = dict(config["summarization"], **present)
    return config


def _present(entries, deep=False):
    if not isinstance(entries, dict):
        return entries
    kept = {name: entry for name, entry in entries.items() if entry is not None}
    return {name: _present(entry) for name, entry in kept.items()} if deep else kept


# ------------------------------------------------------------------ the schema's errors, as one line


def _message(error):
    error = _deepest(error)
    key = ".".join(map(str, error.absolute_path)) or "the configuration"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        name = sorted(set(error.instance) - set(known))[0]
        near = difflib.get_close_matches(name, known, 1)
        path = f"{'' if key == 'the configuration' else key + '.'}{name}"
        way_out = f"correct it (did you mean {near[0]}?)" if near else "correct or remove it"
        return f"{path}: unknown key; expected one of {', '.join(known)}; {way_out}"
    if error.validator == "required":
        name = next(name for name in error.validator_value if name not in error.instance)
        return f"{key}: the key {name} is missing; expected {_describe(error.schema['properties'][name])}; add it"
    if key == "student_id" and error.validator == "type":
        return (
            f"student_id: found {error.instance!r}, {_kind(error.instance)}; expected a quoted text, since a number loses its zeros; "
            """write student_id: "0123" in the file, or --config 'student_id=!!str 0123' on the command line"""
        )
    expected = _describe(error.schema)
    if error.validator == "type":
        hint = "correct the value"
        if _is_number(error.instance):
            in_file = "remove the quotes (a number inside a value of --config arrives as a text: write that into a --configfile)"
            hint = "write 5.0e-5, with a point" if "e" in error.instance.lower() else in_file
        return f"{key}: found {error.instance!r}, {_kind(error.instance)}; expected {expected}; {hint}"
    if error.validator in ("enum", "const"):
        options = error.validator_value if error.validator == "enum" else [error.validator_value]
        return f"{key}: found {error.instance!r}; expected one of {', '.join(map(str, options))}; correct the value"
    return f"{key}: found {error.instance!r}; expected {expected} ({error.validator}: {error.validator_value}); correct the value"


def _deepest(error):
    """For a value that may have several shapes: the error within the shape that its `source` or `kind` names."""
    while error.validator == "oneOf":
        _names_its_shape(error)
        shapes = {}
        for inner in error.context:
            shapes.setdefault(inner.schema_path[0], []).append(inner)
        fitting = [
            errors
            for errors in shapes.values()
            if not any(e.validator == "const" and e.path and e.path[-1] in DISCRIMINATORS for e in errors)
        ]
        fitting = [
            errors for errors in fitting if not any(e.validator == "type" and not e.path and e.validator_value == "null" for e in errors)
        ] or fitting
        if not fitting:
            return _no_shape(error)
        error = fitting[0][0]
    return error


def _names_its_shape(error):
    """Without `source` or `kind`, every key would look out of place in whichever shape is tried first."""
    options = {}
    for shape in error.validator_value:
        for name in DISCRIMINATORS:
            if "const" in shape.get("properties", {}).get(name, {}):
                options.setdefault(name, []).append(shape["properties"][name]["const"])
    for name, values in options.items():
        if isinstance(error.instance, dict) and name not in error.instance:
            key = ".".join(map(str, error.absolute_path))
            raise ConfigError(f"{key}: the key {name} is missing; expected one of {', '.join(values)}; add it")


def _no_shape(error):
    constants = [(inner.path[-1], inner.validator_value) for inner in error.context if inner.validator == "const"]
    name = constants[0][0]
    if name in error.instance:
        key = ".".join(map(str, [*error.absolute_path, name]))
        options = ", ".join(dict.fromkeys(value for _, value in constants))
        raise ConfigError(f"{key}: found {error.instance[name]!r}; expected one of {options}; correct the value")
    return next(inner for inner in error.context if inner.validator == "required")


def _describe(schema):
    if "$ref" in schema:
        node = _schema_of_ref(schema["$ref"])
        return schema.get("description") or _describe(node)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = " or ".join(TYPES[kind] for kind in kinds) or ("one of " + ", ".join(map(str, schema["enum"])) if "enum" in schema else "")
    return ", ".join(filter(None, [words, schema.get("description", "")]))


def _schema_of_ref(reference):
    node = _schema(Path(__file__).parents[2] / "schemas" / "config.schema.yaml")
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def _kind(value):
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "keys and values", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


def _is_number(value):
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


# ------------------------------------------------------------------ the configuration against itself


def _fail(key, found, expected, way_out):
    raise ConfigError(f"{key}: {found}; expected {expected}; {way_out}")


def _systems(config, root):
    systems = config["summarization"]["systems"]
    for name, system in systems.items():
        key = f"summarization.systems.{name}"
        _file_name(key, name)
        if system["kind"] == "lead":
            continue
        origins = [origin for origin in ("model", "parent") if origin in system]
        if len(origins) != 1:
            found = " and ".join(origins) or "neither model nor parent"
            _fail(key, f"found {found}", "one of model and parent", "name the one that it starts from")
        if origins == ["model"]:
            _language_model(config, root, f"{key}.model", system["model"])
        elif system["parent"] not in systems:
            way_out = f"correct the name, or remove {name} too (set it to null)"
            _fail(f"{key}.parent", f"there is no system {system['parent']!r}", f"one of {', '.join(systems)}", way_out)
        if "prompt" in system:
            _template(root, f"{key}.prompt", system["prompt"])
        if system["kind"] == "prune":
            _pruning(key, system)
    for name in systems:
        _chain(systems, name)


def _pruning(key, system):
    method = system["method"]
    if wrong := wrong_scope(method, system["scope"]):
        _fail(f"{key}.scope", *wrong)
    if method == "semi_structured_2_4" and (system["amount"], system["amount_of"]) != (0.5, "prunable"):
        found = f"{system['amount']} of {system['amount_of']}, and two of each four weights go"
        _fail(f"{key}.amount", found, "amount 0.5 and amount_of prunable", "correct them or the method")


def _chain(systems, name):
    """Every parent has a model that can be trained or pruned further, and no system is its own ancestor."""
    seen = [name]
    while parent := systems[seen[-1]].get("parent"):
        key = f"summarization.systems.{seen[-1]}.parent"
        if parent in seen:
            _fail(key, f"the chain {' → '.join([*seen, parent])} is a circle", "one that ends at a model", "change a parent in it")
        if systems[parent]["kind"] == "lead":
            _fail(key, f"{parent} is of kind lead and has no model", "a system with a model", "name another parent")
        precision = systems[parent].get("precision")
        if systems[seen[-1]]["kind"] in ("prune", "finetune") and precision in ("nf4", "int8"):
            _fail(key, f"{parent} is quantized ({precision})", "a model in full or half precision", "name the model itself")
        seen.append(parent)


def _language_model(config, root, key, name):
    _known(config["models"], key, name, "models")
    if "prompt" not in config["models"][name]:
        expected = "a template's name such as plain or chat"
        _fail(f"models.{name}", f"the key prompt is missing, and {key} uses it as a language model", expected, "add it")
    _template(root, f"models.{name}.prompt", config["models"][name]["prompt"])


def _template(root, key, name):
    if not (root / "prompts" / f"{name}.yaml").is_file():
        names = sorted(path.stem for path in (root / "prompts").glob("*.yaml"))
        _fail(key, f"there is no prompts/{name}.yaml", f"one of {', '.join(names)}", "correct the name, or write the template")


def _known(entries, key, name, section):
    if name not in entries:
        _fail(key, f"there is no {name!r} under {section}", f"one of {', '.join(entries)}", "correct the name, or add the entry")


def _named_models(config, root):
    _known(config["models"], "ner.backbone", config["ner"]["backbone"], "models")
    _known(config["models"], "summarization.bertscore.model", config["summarization"]["bertscore"]["model"], "models")
    _known(config["datasets"], "summarization.dataset", config["summarization"]["dataset"], "datasets")


def _label_maps(config, root):
    owners = {}
    for name, dataset in config["ner"]["datasets"].items():
        key = f"ner.datasets.{name}"
        _known(config["datasets"], key, name, "datasets")
        covered = set(dataset["labels"].values())
        for source, entry in dataset["sources"].items():
            if owners.setdefault(source, name) != name:
                _fail(f"{key}.sources.{source}", f"{owners[source]} has a source of that name", "names that differ", "rename one of them")
            for part in ("types", "has_type"):
                for label in sorted(set(entry.get(part, [])) - covered):
                    expected = f"one of {', '.join(sorted(covered))}"
                    _fail(f"{key}.sources.{source}.{part}", f"no label map leads to {label}", expected, f"add it to {key}.labels")
        conditional = {source: bool(entry.get("has_type") or entry.get("repeated")) for source, entry in dataset["sources"].items()}
        *others, last = conditional.values()
        if last or not all(others):
            found = ", ".join(f"{source} {'with' if condition else 'without'}" for source, condition in conditional.items())
            expected = "every source but the last with one, the last without"
            _fail(f"{key}.sources", f"conditions (has_type, repeated): {found}", expected, "reorder or complete them")


def _variants(config, root):
    ner = config["ner"]
    languages = sorted({dataset["language"] for dataset in ner["datasets"].values()})
    for name, variant in ner["variants"].items():
        key = f"ner.variants.{name}"
        _file_name(key, name)
        if "backbone" in variant:
            _known(config["models"], f"{key}.backbone", variant["backbone"], "models")
    for key, entry in [("ner", ner), *((f"ner.variants.{name}", variant) for name, variant in ner["variants"].items())]:
        for language in entry.get("train_languages") or []:
            if language not in languages:
                found = f"no dataset is in the language {language!r}"
                _fail(f"{key}.train_languages", found, f"some of {', '.join(languages)}", "correct the list, or add a dataset")


def _file_name(key, name):
    if not name.replace("_", "").isalnum() or not name.isascii():
        _fail(key, f"the name {name!r} is no file name", "letters, digits and _", "rename it")


def _compared(config, root):
    for name in config["summarization"]["compare_to"]:
        _known(config["summarization"]["systems"], "summarization.compare_to", name, "summarization.systems")


def _studies(config, root):
    systems = config["summarization"]["systems"]
    for name, study in config["summarization"]["studies"].items():
        key = f"summarization.studies.{name}"
        _file_name(key, name)
        for place, names in (("baseline", [study["baseline"]]), ("systems", study["systems"])):
            for system in names:
                if system not in systems:
                    found, expected = f"there is no {system!r} under summarization.systems", f"one of {', '.join(systems)}"
                    _fail(f"{key}.{place}", found, expected, "correct the name, add the system, or remove the study (set it to null)")
        if study["baseline"] in study["systems"]:
            _fail(f"{key}.systems", f"{study['baseline']} is the baseline", "the systems compared with it", "take it out of the list")
        axis = study.get("axis")
        if axis and not any(axis in systems[ancestor] for system in study["systems"] for ancestor in lineage(systems, system)):
            _fail(f"{key}.axis", f"{axis}, and no system of the study has this key", "a key that some have", "correct or remove it")


def _room_for_shots(config, root):
    """A prompt whose shots leave less to the article than a shot has would compare short articles with long ones, if it fits at all."""
    summarization = config["summarization"]
    for name, system in summarization["systems"].items():
        own = {**summarization["generation"], **system}
        if own["shots"] and (own["shots"] + 1) * own["shot_article_tokens"] > own["max_prompt_tokens"]:
            found = f"{own['shots']} shots of {own['shot_article_tokens']} tokens (shot_article_tokens) and their summaries"
            expected = f"room for an article of as many beside them, in {own['max_prompt_tokens']} tokens (max_prompt_tokens)"
            _fail(f"summarization.systems.{name}.shots", found, expected, "allow longer prompts, or give fewer or shorter shots")


def _article_words(config, root):
    words = config["summarization"]["article_words"]
    if words["max"] is not None and words["max"] < words["min"]:
        found = f"max {words['max']} is below min {words['min']}"
        _fail("summarization.article_words", found, "min at most max", "correct one of them, or set max to null")


def _own_folders(config, root):
    """A folder of overrides that is not there would leave the project's texts in place without a word."""
    for name, project in (("templates", "report/templates"), ("answers", "null")):
        path = config["report"][name]
        if path is not None and not (root / path).is_dir():
            _fail(
                f"report.{name}",
                f"there is no folder {path}",
                f"a folder of your own, or {project}",
                "correct the path, or make the folder",
            )
    own = config["report"]["answers"]
    for path in sorted((root / own).rglob("*.md")) if own else ():
        name = path.relative_to(root / own)
        if not (root / "report" / "answers" / name).is_file():
            expected = "{en,fa}/ and the id of a question, such as en/N2.md"
            _fail(f"report.answers: {Path(own) / name}", "it answers no question", expected, "rename it, or take it out of the folder")
