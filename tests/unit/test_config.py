"""The configuration is checked before any job starts; every error names its key."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from lib.config import ConfigError, checked, ordered

ROOT = Path(__file__).parents[2]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
BASE = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())


def merged(base, preset):
    """As Snakemake merges config files: deeply, lists replaced."""
    result = copy.deepcopy(base)
    for key, value in preset.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def changed(path, value):
    """The assignment's config with one key set; "" removes it."""
    config = copy.deepcopy(BASE)
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    if value == "":
        del place[last]
    else:
        place[last] = value
    return config


def test_the_assignment_is_valid():
    checked(BASE, ROOT)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_are_valid(preset):
    checked(merged(BASE, yaml.safe_load(preset.read_text())), ROOT)


def test_every_key_has_a_description():
    def walk(node, path):
        if isinstance(node, dict):
            for name, child in node.get("properties", {}).items():
                described = "description" in child or "$ref" in child
                assert described, f"{path}.{name} has no description"
            for key, child in node.items():
                walk(child, f"{path}.{key}")
        elif isinstance(node, list):
            for number, child in enumerate(node):
                walk(child, f"{path}.{number}")

    walk(SCHEMA, "")


def test_the_assignment_as_it_stands():
    """N9, S2, P1 and the pins: the numbers that ASSIGNMENT.md and FACTS.md give."""
    training = BASE["ner"]["training"]
    assert (training["num_train_epochs"], training["per_device_train_batch_size"], training["per_device_eval_batch_size"]) == (1, 24, 24)
    assert (training["gradient_checkpointing"], training["weight_decay"], training["eval_accumulation_steps"]) == (True, 0.01, 10)
    assert (BASE["seed"], BASE["seeds"]) == (42, [42])
    assert all(BASE["ner"]["cleaning"].values()), "every fix of N3 is on"
    assert BASE["summarization"]["splits"] == {"train": 5000, "validation": 500, "test": 100}
    assert BASE["models"]["xlm_roberta"]["revision"] == "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089"
    systems = BASE["summarization"]["systems"]
    assert systems["smollm2_pruned"]["amount"] == 0.3
    assert systems["llama_zero_shot"]["precision"] == systems["llama_few_shot"]["precision"] == "nf4"
    assert systems["llama_few_shot"]["shots"] == 3


WRONG = [
    ("sed", 1, "sed: unknown key", "did you mean seed?"),
    ("seed", "x", "seed: found 'x', a text", "a whole number"),
    ("seed", "", "the key seed is missing", "add it"),
    ("student_id", 123, "student_id: found 123", 'student_id: "0123"'),
    ("student_id", "../x", "student_id: found '../x'", "a quoted text"),
    ("run", "a/b", "run: found 'a/b'", "name of the run"),
    ("ner.trainin", {}, "ner.trainin: unknown key", "did you mean training?"),
    ("ner.training.learning_rate", "5e-5", "ner.training.learning_rate: found '5e-5'", "write 5.0e-5"),
    ("seeds", ["42"], "seeds.0: found '42', a text", "write that into a --configfile"),
    ("seeds", [], "seeds: found []", "the seeds of training"),
    ("ner.train_languages", ["de"], "ner.train_languages: no dataset is in the language 'de'", "some of en, fa"),
    ("ner.variants.x", {"train_languages": ["de"]}, "ner.variants.x.train_languages: no dataset", "add a dataset"),
    ("ner.variants.x", {"backbone": "bert"}, "ner.variants.x.backbone: there is no 'bert' under models", "add the entry"),
    ("ner.variants.x", {"sentences": []}, "ner.variants.x.sentences: unknown key", "expected one of alignment"),
    ("ner.variants.x", {"training": {"epochs": 1}}, "ner.variants.x.training.epochs: unknown key", "num_train_epochs"),
    ("ner.variants.x/y", {"alignment": "all"}, "ner.variants.x/y: the name 'x/y' is no file name", "rename it"),
    ("ner.near_duplicates.threshold", 0.1, "ner.near_duplicates.threshold: found 0.1", "Jaccard"),
    ("ner.backbone", "bert", "ner.backbone: there is no 'bert' under models", "expected one of"),
    ("ner.datasets.peyma_arman.labels", "", "ner.datasets.peyma_arman: the key labels is missing", "label map"),
    (
        "ner.datasets.peyma_arman.labels.EVE",
        "",
        "sources.arman.types: no label map leads to EVE",
        "add it to ner.datasets.peyma_arman.labels",
    ),
    ("ner.datasets.conll2003.sources.conll2003.repeated", True, "ner.datasets.conll2003.sources", "the last without"),
    ("ner.datasets.other", BASE["ner"]["datasets"]["conll2003"], "ner.datasets.other: there is no 'other' under datasets", "add the entry"),
    ("models.llama.source", "hubb", "models.llama.source: found 'hubb'", "expected one of hub, local, wheel, random"),
    ("models.llama.for research", None, "model llama.for research: an unknown key, set to null", "correct or remove it"),
    ("models.llama.revision", "", "models.llama: the key revision is missing", "add it"),
    ("models.llama.prompt", "", "models.llama: the key prompt is missing", "add it"),
    ("models.llama.prompt", "poem", "models.llama.prompt: there is no prompts/poem.yaml", "plain"),
    ("models.llama", None, "summarization.systems.llama_zero_shot.model: there is no 'llama'", "add the entry"),
    ("summarization.systems.smollm2_tuned", None, "smollm2_pruned.parent: there is no system 'smollm2_tuned'", "set it to null"),
    ("summarization.systems.smollm2_tuned", {"kind": "finetune", "parent": "smollm2_retuned"}, "is a circle", "change a parent"),
    ("summarization.systems.smollm2_retuned.parent", "lead3", "lead3 is of kind lead and has no model", "name another parent"),
    ("summarization.systems.smollm2_pruned.parent", "llama_zero_shot", "llama_zero_shot is quantized (nf4)", "name the model itself"),
    ("summarization.systems.smollm2_tuned.parent", "smollm2_base", "found model and parent", "one of model and parent"),
    ("summarization.systems.smollm2_pruned.amount", 1.3, "smollm2_pruned.amount: found 1.3", "the share of the weights"),
    (
        "summarization.systems.smollm2_pruned",
        {"kind": "prune", "parent": "smollm2_tuned", "method": "wanda", "amount": 0.5, "amount_of": "prunable", "scope": "global"},
        "smollm2_pruned.scope: global, and wanda ranks weights within a layer",
        "change the scope, or choose l1_unstructured",
    ),
    ("summarization.systems.smollm2_pruned.method", "semi_structured_2_4", "smollm2_pruned.amount: 0.3 of prunable", "amount 0.5"),
    (
        "summarization.generation.max_prompt_tokens",
        1500,
        "llama_few_shot.shots: 3 shots of 400 tokens (shot_article_tokens) and their summaries",
        "allow longer prompts, or give fewer or shorter shots",
    ),
    ("summarization.training.lora", {"r": 8}, "summarization.training.lora: the key alpha is missing", "their scale"),
    ("summarization.training.lora", "yes", "summarization.training.lora: found 'yes', a text", "null trains all weights"),
    ("summarization.training.packing", "", "summarization.training: the key packing is missing", "rows of a batch share"),
    ("summarization.systems.smollm2_pruned.amont", 0.3, "smollm2_pruned.amont: unknown key", "did you mean amount?"),
    ("summarization.systems.lead3.kind", "leed", "lead3.kind: found 'leed'", "lead, prompt, finetune, prune"),
    ("summarization.systems.lead3.sentences", "", "lead3: the key sentences is missing", "how many sentences"),
    ("summarization.compare_to", ["nobody"], "summarization.compare_to: there is no 'nobody'", "expected one of"),
    ("summarization.studies.size", {"systems": ["smollm2_tuned"]}, "size: the key baseline is missing", "with which the others"),
    ("summarization.studies.size", {"baseline": "lead3", "systems": []}, "size.systems: found []", "correct the value"),
    ("summarization.studies.size", {"baseline": "lead3", "systems": ["nobody"]}, "size.systems: there is no 'nobody'", "set it to null"),
    ("summarization.studies.size", {"baseline": "nobody", "systems": ["lead3"]}, "size.baseline: there is no 'nobody'", "correct the name"),
    (
        "summarization.studies.size",
        {"baseline": "lead3", "systems": ["smollm2_tuned", "lead3"]},
        "size.systems: lead3 is the baseline",
        "take it out",
    ),
    (
        "summarization.studies.size",
        {"baseline": "lead3", "systems": ["smollm2_tuned"], "axis": "amount"},
        "size.axis: amount, and no system of the study has this key",
        "remove it",
    ),
    ("summarization.studies.size", {"baseline": "lead3", "systems": ["smollm2_tuned"], "axis": "size"}, "found 'size'", "amount, shots"),
    ("summarization.studies.a-b", {"baseline": "lead3", "systems": ["smollm2_tuned"]}, "the name 'a-b' is no file name", "rename it"),
    ("summarization.studies.size", {"baseline": "lead3", "sistems": None}, "study size.sistems: an unknown key", "baseline, systems"),
    ("summarization.language", "English", "summarization.language: found 'English'", "ISO code"),
    ("summarization.splits.test", 0, "summarization.splits.test: found 0", "articles that every system"),
    ("summarization.article_words", {"min": 9, "max": 3}, "summarization.article_words: max 3 is below min 9", "set max to null"),
    (
        "ner.datasets.peyma_arman.sources",
        {"conll2003": {"types": ["PER"]}},
        "peyma_arman.sources.conll2003: conll2003 has a source",
        "rename",
    ),
    ("about", {"en": "x"}, "about: the key fa is missing", "in Persian"),
    ("models.llama.source", "", "models.llama: the key source is missing", "one of hub, local, wheel, random"),
    ("summarization.systems.smollm2_base.kind", "", "smollm2_base: the key kind is missing", "one of lead, prompt, finetune, prune"),
    ("report.answers", "no/such", "report.answers: there is no folder no/such", "make the folder"),
    ("report.answers", "tests/data", "README.md: it answers no question", "such as en/N2.md"),
    ("report.templates", "no/such", "report.templates: there is no folder no/such", "report/templates"),
]


@pytest.mark.parametrize(("path", "value", "found", "way_out"), WRONG, ids=[f"{path}={value!r}"[:60] for path, value, *_ in WRONG])
def test_an_error_names_the_key_and_the_way_out(path, value, found, way_out):
    with pytest.raises(ConfigError) as error:
        checked(changed(path, value), ROOT)
    message = str(error.value)
    assert found in message
    assert way_out in message
    assert "\n" not in message


def test_null_removes():
    config = changed("summarization.systems.smollm2_tuned_again", None)
    config["summarization"]["compare_to"].remove("smollm2_tuned_again")
    config["models"]["smollm2"]["gigabytes"] = None
    result = checked(config, ROOT)
    assert "smollm2_tuned_again" not in result["summarization"]["systems"]
    assert "gigabytes" not in result["models"]["smollm2"]


def test_a_study_of_systems_and_of_what_descends_from_them_is_valid_and_can_be_removed():
    studies = {
        "amount": {"baseline": "smollm2_tuned", "systems": ["smollm2_retuned"], "axis": "amount"},
        "shots": {"baseline": "llama_zero_shot", "systems": ["llama_few_shot"], "axis": None},
        "gone": None,
    }
    result = checked(changed("summarization.studies", studies), ROOT)
    assert result["summarization"]["studies"] == {
        "amount": studies["amount"],
        "shots": {"baseline": "llama_zero_shot", "systems": ["llama_few_shot"]},
    }


def test_the_lock_asks_for_no_particular_build_of_torch():
    lock = (ROOT / "requirements.txt").read_text()
    assert "torch==2.13.0\n" in lock
    assert not re.search(r"^(nvidia|cuda|triton)", lock, re.M)
    assert "+" not in lock
    assert not re.search(r"^kernels==", lock, re.M), "bitsandbytes would fetch a kernel from the hub"


def pins(text):
    return set(re.findall(r"^\s*(?:- )?([a-z0-9-]+==\S+)$", text, re.M))


@pytest.mark.parametrize("env", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_envs_hold_the_same_pins_as_the_lock(env):
    lock = pins((ROOT / "requirements.txt").read_text())
    content = yaml.safe_load(env.read_text())
    assert content["channels"] == ["conda-forge", "nodefaults"]
    assert content["dependencies"][:2] == ["python=3.11", "pip"]
    ours = set(content["dependencies"][2]["pip"])
    assert ours
    assert ours <= lock, ours - lock


@pytest.mark.parametrize("source", ["requirements.in", "requirements-test.in"])
def test_the_lock_answers_what_is_asked_for(source):
    asked = [line.split("#")[0].strip() for line in (ROOT / source).read_text().splitlines()]
    asked = [re.sub(r"_", "-", line) for line in asked if line]
    locked = (ROOT / source).with_suffix(".txt").read_text()
    for line in asked:
        assert re.search(rf"^{re.escape(line)}{'$' if '==' in line else '=='}", locked, re.M), line


def test_overridden_keys_keep_their_places_and_new_ones_come_last():
    project = {"a": 1, "systems": {"one": {"kind": "lead", "sentences": 3}, "two": {}}, "z": [1]}
    overridden = {"z": [2], "systems": {"three": {}, "two": {}, "one": {"sentences": 4, "kind": "lead"}}, "a": 1}
    result = ordered(overridden, project)
    assert result == overridden
    assert (list(result), list(result["systems"]), list(result["systems"]["one"])) == (
        ["a", "systems", "z"],
        ["one", "two", "three"],
        ["kind", "sentences"],
    )
