"""What a run has measured: every file of results/{run}/ that the report reads, as nested records whose missing keys name their file."""

import csv
from contextlib import contextmanager
from pathlib import Path

from lib.program import InputError
from lib.records import read_json, read_jsonl, read_parquet, read_yaml
from lib.report_studies import losing, studies
from lib.systems import compared_with, extra_seeds, is_sparse, is_trained, keeps_copies, ner_folders, ner_settings, seed_folder, used_assets

NER_PARTS = ("audit", "cleaning", "labels", "training", "metrics", "errors", "sentences")
VARIANT_PARTS = ("labels", "cleaning", "training", "metrics")
SPLITS = ("train", "validation", "test")
NAMES = ("system", "kind", "parent", "layer")  # columns of tables that hold names, whatever these look like
SCORES = ("rouge1", "rouge2", "rougeL", "rougeLsum", "bertscore_precision", "bertscore_recall", "bertscore_f1")


class MissingKeyError(KeyError, InputError):
    """A key that a file lacks: a KeyError for templates, one line for whoever runs the script."""

    __str__ = InputError.__str__


class Record(dict):
    """A JSON object that knows where it came from. Keys are read as attributes in templates; a missing one names file and key."""

    _read = set()  # the files whose figures were read, see `reading`

    def __init__(self, values, source, path=""):
        super().__init__((key, record(value, source, f"{path}.{key}".lstrip("."))) for key, value in values.items())
        self.__dict__.update(_source=source, _path=path)

    def __getitem__(self, key):
        value = super().__getitem__(key)
        if (
            value is not None
            and not isinstance(value, dict)
            and not (isinstance(value, list) and any(isinstance(item, dict) for item in value))
        ):
            Record._read.add(self._source)
        return value

    def __missing__(self, key):
        raise MissingKeyError(self.lack(key))

    def __getattr__(self, key):
        if key.startswith("__"):
            raise AttributeError(key)
        try:
            return self[key]
        except MissingKeyError as error:
            raise AttributeError(str(error)) from None

    def lack(self, key):
        found, path = ", ".join(map(str, self)) or "nothing", f"{self._path}.{key}".lstrip(".")
        return f"{self._source}: there is no key {path}; found {found}; run the rule that writes the file again"


@contextmanager
def reading():
    """The set of the files whose figures are read meanwhile."""
    outer, Record._read = Record._read, set()
    try:
        yield Record._read
    finally:
        Record._read = outer | Record._read


def record(value, source, path=""):
    if isinstance(value, Record):
        return value
    if isinstance(value, dict):
        return Record(value, source, path)
    if isinstance(value, list):
        return [record(item, source, f"{path}.{position}".lstrip(".")) for position, item in enumerate(value)]
    return value


# ------------------------------------------------------------------ which files


def files_of_systems(config):
    """What the report reads of each system: {system: {part: file name in the system's folder}}."""
    systems, with_loss, found = config["summarization"]["systems"], set(losing(config)), {}
    for name, system in systems.items():
        files = found[name] = {"scores": "scores.json", "speed": "speed.json", "predictions": "predictions.jsonl"}
        if system["kind"] != "lead":
            files["generation"] = "generation.json"
        if system["kind"] == "finetune":
            files |= {"log": "training_log.jsonl", "training": "training.json"}
        if is_sparse(systems, name):
            files |= {"sparsity": "sparsity.csv", "storage": "storage.json"}
        if name in with_loss:
            files["validation_loss"] = "validation_loss.json"
    return found


def shows_shots(config):
    """Whether some system's prompt holds examples from train, so that the report shows them."""
    summarization = config["summarization"]
    return any(system.get("shots", summarization["generation"]["shots"]) for system in summarization["systems"].values())


def run_files(config):
    """Every file under results/{run}/ that the report reads."""
    systems, seeds = config["summarization"]["systems"], extra_seeds(config)
    taggers = ner_folders(config)
    return [
        "config.yaml",
        "config_differences.json",
        "environment.json",
        "rules.json",
        *(f"assets/{name}.json" for name in used_assets(config)),
        *(f"ner/{name}.json" for name in NER_PARTS),
        "ner/training_log.jsonl",
        *(f"{folder}/{part}.json" for folder, variant in taggers.items() if variant for part in VARIANT_PARTS),
        *(f"{seed_folder(folder, seed)}/metrics.json" for folder in taggers for seed in seeds),
        "summarization/split.json",
        *(f"summarization/{split}.parquet" for split in ("train", "test") if split == "test" or shows_shots(config)),
        "summarization/stats.json",
        "summarization/qualities.json",
        "summarization/comparison.csv",
        *(f"summarization/studies/{name}.csv" for name in studies(config)),
        *(f"summarization/systems/{name}/{file}" for name, files in files_of_systems(config).items() for file in files.values()),
        *(
            f"summarization/systems/{seed_folder(name, seed)}/scores.json"
            for name in systems
            if is_trained(systems, name)
            for seed in seeds
        ),
    ]


# ------------------------------------------------------------------ reading them


def load_run(folder):
    """The run in results/{run}: config, preset, assets, models, ner, summ. Raises InputError for what is missing."""
    folder = Path(folder)
    config_text = (folder / "config.yaml").read_text(encoding="utf-8")
    config = Record(read_yaml(folder / "config.yaml"), folder / "config.yaml")
    missing = [path for path in run_files(config) if not (folder / path).is_file()]
    if missing:
        raise InputError(f"{folder / missing[0]}: there is no such file; expected what the run measured; run the workflow, which makes it")
    assets = {name: json_record(folder / "assets" / f"{name}.json") for name in used_assets(config)}
    return Record(
        {
            "config": config,
            "config_text": config_text,
            "differences": json_record(folder / "config_differences.json"),
            "environment": json_record(folder / "environment.json"),
            "rules": read_json(folder / "rules.json"),
            "preset": config["run"],
            "assets": assets,
            "models": config["models"],
            "datasets": config["datasets"],
            "ner": load_ner(folder / "ner", config),
            "summ": load_summarization(folder / "summarization", config),
        },
        folder,
    )


def in_language(run, code):
    """The run with the titles of its models and data in a language, where the configuration has them as `title_{code}`."""
    entries = {**run["models"], **run["datasets"]}
    own = {name: {"title": entry[f"title_{code}"]} for name, entry in entries.items() if f"title_{code}" in entry}

    def titled(records):
        return Record(
            {name: Record({**entry, **own.get(name, {})}, entry._source, entry._path) for name, entry in records.items()}, run._source
        )

    return Record({**run, **{part: titled(run[part]) for part in ("assets", "models", "datasets")}}, run._source)


def load_ner(folder, config):
    """The main tagger, its `variants`, and of each under `seeds` the metrics of its further seeds.

    `counts` gives rows, tokens and entities of the merged data: split → data set → counts.
    """
    parts = {name: json_record(folder / f"{name}.json") for name in NER_PARTS}
    counts = {split: {} for split in SPLITS}
    for part in parts["cleaning"]["splits"]:
        counts[part["split"]][part["dataset"]] = part["kept"]
    need(parts["audit"]["subwords"], *languages(parts["cleaning"], "train", config))
    variants = {name: load_variant(folder / "variants" / name, config, name) for name in config["ner"]["variants"]}
    return {
        **parts,
        "log": lines(folder / "training_log.jsonl"),
        "counts": counts,
        "variants": variants,
        "seeds": load_metrics(folder, config, None, parts),
    }


def load_variant(folder, config, name):
    parts = {name: json_record(folder / f"{name}.json") for name in VARIANT_PARTS}
    return Record({**parts, "seeds": load_metrics(folder, config, name, parts)}, folder)


def load_metrics(folder, config, variant, parts):
    """The metrics of a tagger's further seeds; all that belongs in them, and in those of the first, is there."""
    repeated = load_seeds(folder, "metrics.json", extra_seeds(config))
    need(parts["labels"]["sources"], *(source for dataset in config["ner"]["datasets"].values() for source in dataset["sources"]))
    for metrics in (parts["metrics"], *repeated.values()):
        for split in ("validation", "test"):
            need(metrics[split]["by_language"], *languages(parts["cleaning"], split, config))
            need(metrics[split]["by_type"], *parts["labels"]["types"])
        if keeps_copies(ner_settings(config, variant)):
            need(metrics, "test_unseen")
    return repeated


def languages(cleaning, split, config):
    """The languages of which a split has sentences."""
    datasets = config["ner"]["datasets"]
    return [datasets[part["dataset"]]["language"] for part in cleaning["splits"] if part["split"] == split and part["kept"]["rows"]]


def need(entries, *keys):
    """Stop at the first key that a file should have and lacks: what a template goes through entry by entry would miss none."""
    for key in keys:
        entries[key]


def load_seeds(folder, file, seeds):
    """A file of the same model trained with each of these seeds: {seed: file}."""
    return {seed: json_record(Path(seed_folder(folder, seed)) / file) for seed in seeds}


def load_summarization(folder, config):
    split = json_record(folder / "split.json")
    loaded = {name: load_system(folder / "systems" / name, config, name, files) for name, files in files_of_systems(config).items()}
    return {
        "split": split,
        "sizes": {name: split[name]["sampled"] for name in SPLITS},
        "stats": load_stats(folder / "stats.json", config["summarization"]["systems"]),
        "qualities": json_record(folder / "qualities.json"),
        "test": pairs(folder / "test.parquet"),
        "shown": pairs(folder / "train.parquet", shot_ids(loaded.values())) if shows_shots(config) else {},
        "comparison": compared_table(folder / "comparison.csv", {name: compared_with(config, name) for name in loaded}),
        "studies": {name: compared_table(folder / "studies" / f"{name}.csv", tests_of(study)) for name, study in studies(config).items()},
        "systems": loaded,
    }


def pairs(path, ids=None):
    """Articles and references by their id; of these ids only, if any are given."""
    rows = read_parquet(path, ["id", "article", "reference"])
    return {row["id"]: record(row, path) for row in rows if ids is None or row["id"] in ids}


def shot_ids(systems):
    """The ids of all examples that prompts hold."""
    return {id for system in systems if "generation" in system for id in system["generation"]["shots"]}


def load_stats(path, systems):
    stats = json_record(path)
    models = [system["model"] for system in systems.values() if "model" in system]
    for side in ("article", "reference"):
        need(stats["histograms"][side]["counts"], *SPLITS)
        for split in SPLITS:
            need(stats["splits"][split][side]["tokens"], *models)
    return stats


def compared_table(path, tests):
    """A table of systems that were tested against others (`tests`: {system: others}), as {system: row}."""
    rows = Record({row["system"]: row for row in table(path)}, path)
    for name, others in tests.items():
        need(rows[name], *(f"{metric}_{part}_{other}" for metric in SCORES for part in ("minus", "p", "holm") for other in others))
    return rows


def tests_of(study):
    return {study["baseline"]: [], **dict.fromkeys(study["systems"], [study["baseline"]])}


def load_system(folder, config, name, files):
    """A system's files ({part: file name}); under `seeds` the scores of a trained one's further seeds."""
    systems = config["summarization"]["systems"]
    readers = {".json": json_record, ".jsonl": lines, ".csv": sparsity}
    parts = {part: readers[Path(file).suffix](folder / file) for part, file in files.items()}
    repeated = load_seeds(folder, "scores.json", extra_seeds(config) if is_trained(systems, name) else [])
    return Record({"name": name, "config": systems[name], "seeds": repeated, **parts}, folder)


def json_record(path):
    return record(read_json(path), path)


def lines(path):
    return [record(row, path, f"line {number}") for number, row in enumerate(read_jsonl(path), 1)]


def table(path):
    """Rows of a CSV file: numbers as numbers, empty cells as None."""
    with open(path, encoding="utf-8", newline="") as file:
        return [{key: value if key in NAMES else number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def number(text):
    if text == "":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def sparsity(path):
    return Record({row["layer"]: row for row in table(path)}, path)
