"""A made-up run, consistent in itself, written as the workflow's scripts write one: what the report and the archive are tested on."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import yaml

from lib.records import read_yaml
from lib.report_data import SCORES, files_of_systems, run_files
from lib.report_studies import members, studies
from lib.rule_record import compact
from lib.systems import extra_seeds, is_trained, studied

ROOT = Path(__file__).parents[2]
ARTICLE = "The council of Elmbridge met on Monday. It agreed to open the old library again. Readers had asked for it since 2019."
REFERENCE = "Elmbridge opens its old library again."
TYPES = ("PER", "ORG", "LOC", "DAT")
LANGUAGES = ("en", "fa")
VARIANTS = {
    "as_downloaded": {"cleaning": {"deduplicate_across": False, "deduplicate_near": False}},
    "intersection": {"label_scheme": "intersection"},
    "en_to_fa": {"train_languages": ["en"]},
    "my_own": {"dropout": 0.3},
}
POINTS = {"lead3": 30, "llama_zero_shot": 22, "llama_few_shot": 26, "smollm2_base": 20, "smollm2_tuned": 28, "smollm2_pruned": 18}
POINTS |= {"smollm2_retuned": 27, "smollm2_tuned_again": 28.5}
STUDY_SYSTEMS = {
    "tuned_int8": {"kind": "prompt", "parent": "smollm2_tuned", "precision": "int8"},
    "tuned_nf4": {"kind": "prompt", "parent": "smollm2_tuned", "precision": "nf4"},
    "shots_1": {"kind": "prompt", "model": "llama", "precision": "nf4", "shots": 1},
    "shots_similar": {"kind": "prompt", "model": "llama", "precision": "nf4", "shots": 3, "selection": "similar"},
    "smollm2_chat": {"kind": "prompt", "model": "smollm2", "prompt": "chat"},
    "pruned_50": {
        "kind": "prune",
        "parent": "smollm2_tuned",
        "method": "l1_unstructured",
        "amount": 0.5,
        "amount_of": "prunable",
        "scope": "layer",
    },
    "wanda_50": {"kind": "prune", "parent": "smollm2_tuned", "method": "wanda", "amount": 0.5, "amount_of": "prunable", "scope": "layer"},
    "pruned_50_retuned": {"kind": "finetune", "parent": "pruned_50"},
}
STUDIES = {
    "precision": {"baseline": "smollm2_tuned", "systems": ["tuned_int8", "tuned_nf4"]},
    "shots": {"baseline": "llama_zero_shot", "systems": ["shots_1", "shots_similar"], "axis": "shots"},
    "templates": {"baseline": "smollm2_base", "systems": ["smollm2_chat"]},
    "again": {"baseline": "smollm2_tuned", "systems": ["smollm2_pruned", "smollm2_retuned"]},
    "pruning": {"baseline": "smollm2_tuned", "systems": ["pruned_50", "wanda_50", "pruned_50_retuned"], "axis": "amount"},
}
POINTS |= {"tuned_int8": 27.9, "tuned_nf4": 25, "shots_1": 24, "shots_similar": 27, "smollm2_chat": 23, "pruned_50": 9, "wanda_50": 14}
POINTS |= {"pruned_50_retuned": 24}
LOSSES = {"smollm2_tuned": 2.2, "smollm2_pruned": 2.5, "pruned_50": 5.1, "wanda_50": 3.4}  # 2.3 for all others


@cache
def assignment():
    """The assignment's configuration."""
    return read_yaml(ROOT / "config.yaml")


def make_run(
    folder, articles=None, predictions="A library opens again.", points=POINTS, p=0.01, overrides=None, languages=LANGUAGES, change=None
):
    """Write a run of the assignment's configuration, cut down, to `folder`; `points` is the ROUGE-1 of each system.

    overrides  top keys of the configuration with other values
    languages  of the tagger's data
    change     a function that changes the configuration in place, such as `with_studies`
    """
    config = deepcopy(assignment())
    config |= {"run": "made_up", "about": {"en": "A made-up run for tests.", "fa": "اجرایی ساختگی برای آزمون‌ها."}}
    config["stand_ins"] = [{"for": {"en": "every model", "fa": "همهٔ مدل‌ها"}, "here": {"en": "nothing", "fa": "هیچ"}}]
    config["ner"]["variants"] = VARIANTS
    config |= overrides or {}
    for dataset, language in zip(config["ner"]["datasets"].values(), languages, strict=True):
        dataset["language"] = language
    if change:
        change(config)
    rows = [{"id": f"a{number}", "article": text, "reference": REFERENCE} for number, text in enumerate(articles or [ARTICLE] * 5)]
    write_text(folder / "config.yaml", yaml.dump(config, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False))
    write(
        folder / "config_differences.json",
        [{"key": "ner.max_length", "assignment": 512, "here": 64}, {"key": "summarization.samples", "here": 3}],
    )
    write(folder / "environment.json", {"python": "3.11.9", "machine": MACHINE, "packages": {"torch": "2.13.0", "pandas": "3.1.1"}})
    write(folder / "rules.json", rule_record(config))
    write(folder / "preflight.json", {"checks": CHECKS, "hours": 0.1})
    for path, row in BENCHMARKS.items():
        write_lines(folder / "benchmarks" / path, [row])
    for name in ("xlm_roberta", "llama", "smollm2", "roberta_large", "conll2003", "peyma_arman", "cnn_dailymail"):
        write(folder / "assets" / f"{name}.json", asset(name))
    make_ner(folder / "ner", config, languages)
    make_summarization(folder / "summarization", config, rows, predictions, points, p)
    return folder


CHECKS = [
    {"name": "memory", "status": "ok", "text": "enough"},
    {"name": "versions", "status": "note", "text": "torch 2.12.0 for 2.13.0"},
]
MACHINE = {"processor": "A processor", "cores": 2, "memory_bytes": 25e9, "gpus": [], "system": "Linux x86_64"}
MAKERS = {
    "record_config": ["config.yaml", "config_differences.json", "environment.json", "rules.json"],
    "ner_clean": ["ner/cleaning.json", "ner/labels.json"],
    "ner_audit": ["ner/audit.json"],
    "ner_train": ["ner/training.json", "ner/training_log.jsonl"],
    "ner_evaluate": ["ner/metrics.json", "ner/errors.json"],
    "ner_predict": ["ner/sentences.json"],
    "summ_split": [f"summarization/{name}" for name in ("split.json", "test.parquet", "train.parquet")],
    "text_statistics": ["summarization/stats.json"],
    "qualities": ["summarization/qualities.json"],
    "compare_systems": ["summarization/comparison.csv"],
    "score": ["summarization/scores.json"],
    "finetune": ["summarization/training.json", "summarization/training_log.jsonl"],
    "sparsity": ["summarization/sparsity.csv", "summarization/storage.json"],
    "validation_loss": ["summarization/validation_loss.json"],
    "generate": [f"summarization/{name}" for name in ("predictions.jsonl", "speed.json", "generation.json")],
}
BENCHMARKS = {
    "ner/train.jsonl": {"s": 71.5, "max_rss": 2000.0},
    "finetune/smollm2_tuned.jsonl": {"s": 100.0, "max_rss": 3000.0},
    "finetune/smollm2_retuned.jsonl": {"s": 110.0, "max_rss": "NA"},
    "finetune/no_longer_there.jsonl": {"s": 900.0, "max_rss": 9000.0},
}


def rule_record(config):
    """What rules_of_run in rules/common.smk makes of the rules, with a circle: finetune, prune, finetune."""
    by_file = {file: rule for rule, files in MAKERS.items() for file in files}
    makers = {}
    for path in run_files(config):
        top, _, name = path.partition("/")
        makers[path] = by_file.get(path) or by_file.get(f"{top}/{Path(name).name}") or ("provenance" if top == "assets" else "study")
    makers |= {path: "lead" for path in makers if path.startswith("summarization/systems/lead3/") and makers[path] == "generate"}
    after = {"finetune": ["summ_split", "prune"], "prune": ["finetune"], "generate": ["summ_split", "finetune", "prune"]}
    after |= {"lead": ["summ_split"], "ner_train": ["ner_clean"], "score": ["generate", "lead"], "report": sorted(set(makers.values()))}
    depths = {"summ_split": 1, "ner_clean": 1, "generate": 2, "lead": 2, "finetune": 2, "ner_train": 2, "prune": 3, "score": 3, "report": 9}
    rules = {
        name: {
            "script": f"scripts/{name}.py",
            "jobs": 3 if name == "finetune" else 1,
            "after": after.get(name, []),
            "depth": depths.get(name, 4),
            "benchmark": {"finetune": "finetune/{system}.jsonl", "ner_train": "{tagger}/train.jsonl"}.get(name, f"{name}.jsonl"),
        }
        for name in sorted({*makers.values(), "prune", "report"})
    }
    systems = sorted(config["summarization"]["systems"])
    return {"files": compact(makers), "rules": rules, "wildcards": {"system": systems, "tagger": ["ner"]}}


def with_studies(config):
    """A study of each subject."""
    config["summarization"]["systems"] |= STUDY_SYSTEMS
    config["summarization"]["studies"] = STUDIES


def without(*names):
    """Systems taken away, and with them whatever rests on them."""

    def change(config):
        summarization = config["summarization"]
        gone = set(names)
        for name, system in summarization["systems"].items():
            gone |= {name} if system.get("parent") in gone else set()
        summarization["systems"] = {name: system for name, system in summarization["systems"].items() if name not in gone}
        summarization["compare_to"] = [name for name in summarization["compare_to"] if name not in gone]

    return change


def asset(name):
    files = [{"path": "config.json", "bytes": 1200, "sha256": "0" * 64}]
    return {
        "name": name,
        "title": name.title(),
        "licence": "MIT",
        "source": "hub",
        "origin": f"someone/{name}",
        "revision": "main",
        "resolved": "f" * 40,
        "conversion": None,
        "files": files,
    }


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write(path, value):
    write_text(path, json.dumps(value, ensure_ascii=False))


def write_lines(path, rows):
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def interval(value, width):
    return {"value": value, "low": value - width, "high": value + width}


# ------------------------------------------------------------------ NER


def make_ner(folder, config, languages):
    seeds = config["seeds"][1:]
    write(folder / "audit.json", AUDIT | {"subwords": dict.fromkeys(languages, SUBWORDS)})
    write(folder / "errors.json", {"split": "test", "kinds": {"missed": 3}, "commonest": [ERROR], "confusion": CONFUSION})
    write_lines(folder / "training_log.jsonl", NER_LOG)
    write(folder / "sentences.json", SENTENCES)
    make_tagger(folder, seeds, languages, 0.68)
    for name, variant in config["ner"]["variants"].items():
        scheme = variant.get("label_scheme", "masked_union")
        leaky = name == "as_downloaded"
        make_tagger(folder / "variants" / name, seeds, languages, 0.9 if leaky else 0.5, scheme, leaky)


def make_tagger(folder, seeds, languages, f1, scheme="masked_union", leaky=False):
    types = list(TYPES[:3] if scheme == "intersection" else TYPES)
    write(folder / "cleaning.json", CLEANING | {"label_scheme": scheme})
    tags = ["O", *(f"{mark}-{kind}" for kind in types for mark in "BI")]
    write(folder / "labels.json", {"name": scheme, "types": types, "labels": tags, "sources": SOURCES})
    write(folder / "training.json", TRAINING | {"label_scheme": scheme})
    for number, place in enumerate((folder, *(folder / "seeds" / str(seed) for seed in seeds))):
        metrics = {"validation": split_metrics(f1 + 0.03, languages), "test": split_metrics(f1 + number / 100, languages)}
        if leaky:
            metrics["test_unseen"] = split_metrics(f1 - 0.3, languages, 90) | {"seen": {"rows": 600, "copies": 350, "near": 70}}
        write(place / "metrics.json", metrics)


def split_metrics(f1, languages, sentences=300):
    """The first language scores higher than the others, and has no dates; `sentences` of each language."""

    def block(value, support, accuracy=True, sentences=sentences):
        scores = {name: interval(value, 0.03) for name in ("precision", "recall", "f1")}
        sizes = {"support": support, "sentences": sentences, "tokens": 10 * sentences}
        return {**({"accuracy": interval(0.95, 0.01)} if accuracy else {}), **scores, **sizes}

    def by_type(f1, counts):
        return {kind: block(f1 + place / 50, counts[kind], accuracy=False) for place, kind in enumerate(TYPES) if kind in counts}

    counts = [{kind: 50 if kind != "DAT" else 12 for kind in TYPES if number or kind != "DAT"} for number in range(len(languages))]
    together = {kind: sum(found.get(kind, 0) for found in counts) for kind in TYPES}

    by_language = {code: block(f1 - 0.06 if number else f1 + 0.05, 200) for number, code in enumerate(languages)}
    overall = block(f1, 400, sentences=sentences * len(languages))
    return {
        "overall": overall | {"loss": 0.21, "outside_annotation": 7},
        "by_language": {
            code: entry | {"by_type": by_type(entry["f1"]["value"], counts[number])}
            for number, (code, entry) in enumerate(by_language.items())
        },
        "by_type": by_type(f1, together),
        "shared_types": {"types": list(TYPES[:3]), "overall": overall, "by_language": by_language},
        "majority_baseline": overall | block(0.0, 400) | {"accuracy": interval(0.83, 0.01)},
    }


SUBWORDS = {"words": 12000, "subwords": 15600, "per_word": 1.3, "longest": 96}
CONFUSION = {
    "labels": [*TYPES, "none"],
    "counts": [[80, 5, 3, 0, 12], [4, 70, 6, 0, 20], [2, 7, 88, 0, 3], [0, 0, 0, 9, 3], [6, 5, 4, 1, 0]],
}
ERROR = {
    "kind": "missed",
    "gold_type": "LOC",
    "predicted_type": None,
    "count": 3,
    "examples": [
        {"row": 1, "language": "en", "source": "conll2003", "tokens": ["in", "Elm", "."], "gold": ["LOC", 1, 2], "predicted": None}
    ],
}
SOURCES = {
    "conll2003": {"dataset": "conll2003", "language": "en", "types": ["PER", "ORG", "LOC"]},
    "peyma": {"dataset": "peyma_arman", "language": "fa", "types": ["PER", "ORG", "LOC", "DAT"]},
    "arman": {"dataset": "peyma_arman", "language": "fa", "types": ["PER", "ORG", "LOC"]},
    "undecided": {"dataset": "peyma_arman", "language": "fa", "types": []},
}
TRAINING = {
    "steps": 42,
    "embedding_rows": {"trained": 900, "all": 250002},
    "sentences": {"train": 1000, "validation": 100},
    "windows": {"train": 1001, "validation": 100},
    "subwords": 30000,
    "longest_window": 90,
    "max_length": 512,
    "alignment": "first",
    "aligned": {
        "en": [{"word": "Lovelace", "tag": "B-PER", "subwords": ["▁Love", "lace"], "labels": ["B-PER", None]}],
        "fa": [{"word": "تهران", "tag": "B-LOC", "subwords": ["▁تهر", "ان"], "labels": ["B-LOC", None]}],
    },
    "label_scheme": "masked_union",
    "labels": 9,
    "parameters": 117000000,
    "precision": "bf16",
    "epochs": 1,
    "batch_size": 12,
    "gradient_accumulation_steps": 2,
    "effective_batch": 24,
    "out_of_memory": [24],
}
NER_LOG = [
    {"step": 20, "epoch": 0.5, "loss": 1.9, "learning_rate": 4e-5, "seconds": 31.2},
    {"step": 42, "epoch": 1.0, "validation_loss": 0.21, "accuracy": 0.95, "precision": 0.7, "recall": 0.72, "f1": 0.71},
]
SENTENCES = [
    {
        "language": "en",
        "text": "Ada Lovelace lived in London.",
        "tokens": ["Ada", "Lovelace", "lived", "in", "London", "."],
        "offsets": [[0, 3], [4, 12], [13, 18], [19, 21], [22, 28], [28, 29]],
        "tags": ["B-PER", "I-PER", "O", "O", "B-LOC", "O"],
        "scores": [0.99, 0.98, 1.0, 1.0, 0.97, 1.0],
    },
    {
        "language": "fa",
        "text": "او در تهران است",
        "tokens": ["او", "در", "تهران", "است"],
        "offsets": [[0, 2], [3, 5], [6, 11], [12, 15]],
        "tags": ["O", "O", "B-LOC", "O"],
        "scores": [1.0, 1.0, 0.96, 1.0],
    },
]
CLEANING = {
    "label_scheme": "masked_union",
    "length_width": 5,
    "steps": [
        {
            "step": "deduplicate_across",
            "on": True,
            "rule": "…",
            "changes": [{"dataset": "peyma_arman", "split": "train", "rows": 30, "removed": 30, "tokens": 500}],
        },
        {"step": "deduplicate_near", "on": True, "rule": "…", "changes": []},
        {"step": "drop_unequal", "on": True, "rule": "…", "changes": []},
        {"step": "repair_bio", "on": False, "rule": "…", "changes": []},
    ],
    "held_out": [],
    "splits": [
        {
            "dataset": name,
            "split": split,
            "downloaded": {"rows": 900, "tokens": 9000, "entities": {"PER": 500, "LOC": 400}},
            "cleaned_rows": 850,
            "kept": {"rows": 500, "tokens": 5000, "entities": {"PER": 250, "LOC": 200}, "lengths": [100, 250, 100, 50]},
            "sources": {name: {"downloaded": 900, "kept": 500}},
        }
        for name in ("conll2003", "peyma_arman")
        for split in ("train", "validation", "test")
    ],
}
AUDIT = {
    "datasets": [
        {"dataset": name, "language": "en", "split": split, "rows": 900, "tokens": 9000, "different_sentences": 880}
        for name in ("conll2003", "peyma_arman")
        for split in ("train", "validation", "test")
    ],
    "findings": [
        {
            "id": "duplicates_across",
            "dataset": "peyma_arman",
            "split": "test",
            "unit": "sentences",
            "count": 700,
            "of": 900,
            "share": 700 / 900,
            "fix": "deduplicate_across",
            "fix_on": True,
            "rows_changed": 30,
            "examples": [{"row": 4, "text": "او در تهران است"}],
            "detail": {"in": "train", "unique": 650, "unique_of": 880, "unique_share": 650 / 880, "normalized": 702},
        },
        {
            "id": "near_duplicates_across",
            "dataset": "peyma_arman",
            "split": "test",
            "unit": "sentences",
            "count": 40,
            "of": 900,
            "share": 40 / 900,
            "fix": "deduplicate_near",
            "fix_on": True,
            "rows_changed": 35,
            "examples": [{"row": 7, "text": "او در تهران است", "near": "او در تهران بود", "similarity": 0.812}],
            "detail": {"in": "train", "threshold": 0.8, "characters": 5},
        },
        {
            "id": "near_duplicates_within",
            "dataset": "conll2003",
            "split": "train",
            "unit": "sentences",
            "count": 6,
            "of": 900,
            "share": 6 / 900,
            "fix": None,
            "fix_on": None,
            "rows_changed": None,
            "examples": [{"row": 8, "text": "Ajax 2 Feyenoord 1", "near": "Ajax 2 Feyenoord 0", "similarity": 0.857}],
            "detail": {"threshold": 0.8, "characters": 5},
        },
        {
            "id": "source_groups",
            "dataset": "peyma_arman",
            "split": None,
            "unit": "sentences",
            "count": 400,
            "of": 2700,
            "share": 400 / 2700,
            "fix": "label_scheme",
            "fix_on": True,
            "rows_changed": 400,
            "examples": [],
            "detail": {
                "sources": {
                    "peyma": {"train": 300, "validation": 300, "test": 300},
                    "arman": {"train": 400, "validation": 500, "test": 500},
                    "undecided": {"train": 200, "validation": 100, "test": 100},
                },
                "undecided": "undecided",
            },
        },
        {
            "id": "one_token_sentences",
            "dataset": "conll2003",
            "split": "train",
            "unit": "sentences",
            "count": 5,
            "of": 900,
            "share": 5 / 900,
            "fix": None,
            "fix_on": None,
            "rows_changed": None,
            "examples": [{"row": 1, "text": "LONDON"}],
            "detail": {},
        },
        {
            "id": "id_orders",
            "dataset": "peyma_arman",
            "split": None,
            "unit": "tags",
            "count": 6,
            "of": 7,
            "share": 6 / 7,
            "fix": "unify_tags",
            "fix_on": True,
            "rows_changed": None,
            "examples": [{"tag": "B-PER", "ids": {"conll2003": 1, "peyma_arman": 8}}],
            "detail": {"other": "conll2003"},
        },
    ],
    "nothing_found": ["unequal_lengths", "no_subwords"],
}


# ------------------------------------------------------------------ summarization


def make_summarization(folder, config, rows, predictions, points, p):
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "test.parquet")
    shots = [{"id": f"t{number}", "article": ARTICLE, "reference": REFERENCE} for number in range(4)]
    pq.write_table(pa.Table.from_pylist(shots), folder / "train.parquet")
    counts = {"found": 900, "dropped": {"empty_reference": 2}, "kept": 898, "sampled": len(rows)}
    counts |= {"left_out": {"near_duplicate_in_test": 1}, "noticed": {"markup": 1}}
    write(folder / "split.json", dict.fromkeys(("train", "validation", "test"), counts))
    write(folder / "stats.json", STATS)
    systems = config["summarization"]["systems"]
    for name in systems:
        make_system(folder / "systems" / name, config, name, rows, predictions, points[name])
        for number, seed in enumerate(extra_seeds(config) if is_trained(systems, name) else [], 1):
            write(folder / "systems" / name / "seeds" / str(seed) / "scores.json", scores_of(points[name] + number / 2, len(rows)))
    write(folder / "qualities.json", {"reference": qualities(8.0), "systems": {name: qualities(points[name]) for name in systems}})
    of_studies = studied(config)
    make_comparison(folder / "comparison.csv", config["summarization"], list(systems), None, of_studies, points, len(rows), p)
    for name, study in studies(config).items():
        path = folder / "studies" / f"{name}.csv"
        make_comparison(path, config["summarization"], members(config, study), study["baseline"], set(), points, len(rows), p)


def make_system(folder, config, name, rows, predictions, points):
    system = config["summarization"]["systems"][name]
    write_lines(
        folder / "predictions.jsonl",
        [
            {
                "id": row["id"],
                "prediction": predictions,
                "reference": row["reference"],
                "prompt_tokens": 60,
                "new_tokens": 9,
                "truncated": row["id"] == "a0",
            }
            for row in rows
        ],
    )
    write(folder / "scores.json", scores_of(points, len(rows)))
    precision = system.get("precision", "auto")
    write(folder / "speed.json", SPEED | {"precision": precision, "bytes_loaded": 1.4e8 if precision in ("nf4", "int8") else 2.7e8})
    files = files_of_systems(config)[name]
    if "generation" in files:
        own = {row["id"]: ["t2", "t1"] for row in rows} if system.get("selection") == "similar" else None
        shots = [f"t{number}" for number in range(system.get("shots", 0))]
        write(folder / "generation.json", GENERATION | {"shots": shots, "shots_shortened": shots[1:2], "shots_by_article": own})
    if "training" in files:
        write(folder / "training.json", TUNING)
        write_lines(
            folder / "training_log.jsonl",
            [
                {"step": 5, "epoch": 0.5, "loss": 2.5, "learning_rate": 2e-5, "seconds": 12.0},
                {"step": 10, "epoch": 1.0, "validation_loss": 2.2},
            ],
        )
    if "sparsity" in files:
        write_text(
            folder / "sparsity.csv", "layer,zeros,weights,sparsity\nmodel.layers.0.mlp,30,100,0.3\nprunable,30,100,0.3\ntotal,30,120,0.25\n"
        )
        write(folder / "storage.json", STORAGE)
    if "validation_loss" in files:
        write(folder / "validation_loss.json", interval(LOSSES.get(name, 2.3), 0.2) | {"tokens": 700, "pairs": 24})


def qualities(points):
    """The reference has no numbers."""
    percents = ("novel_unigrams", "novel_bigrams", "novel_trigrams", "repetition", "faithful_entities")
    block = {"words": interval(points, 1.5), "compression": interval(9.5, 2), **{name: interval(40 + points, 4) for name in percents}}
    counts = {"summaries": 5, "empty": 0, "entities": 11, "numbers": 0}
    return block | {"faithful_numbers": None, "counts": counts}


def scores_of(points, count):
    return {name: interval(points if name.startswith("rouge") else 60 + points, 3) for name in SCORES} | {
        "n": count,
        "truncated": {"predictions": 0, "references": 1},
        "empty_references": 0,
        "references_without_rouge_words": 0,
        "pairs_cut_for_rouge": 0,
    }


def make_comparison(path, config, names, baseline, of_studies, points, n, p):
    """The table of all systems, or that of a study with its baseline; Holm's p is the fourfold."""
    others = [baseline] if baseline else names
    columns = ["system", "kind", "parent", "n"]
    columns += [f"{metric}{part}" for metric in SCORES for part in ("", "_low", "_high")]
    columns += [f"{metric}_{part}_{other}" for metric in SCORES for other in others for part in ("minus", "p", "holm")]
    lines = [",".join(columns)]
    for name in names:
        system = config["systems"][name]
        row = {"system": name, "kind": system["kind"], "parent": system.get("parent", ""), "n": n}
        for metric in SCORES:
            row |= {metric: points[name], f"{metric}_low": points[name] - 3, f"{metric}_high": points[name] + 3}
            for other in others:
                if other != name and other in (baseline, system.get("parent"), *config["compare_to"]):
                    row |= {f"{metric}_minus_{other}": points[name] - points[other], f"{metric}_p_{other}": p}
                    if not {name, other} & of_studies:
                        row[f"{metric}_holm_{other}"] = min(4 * p, 1)
        lines.append(",".join(str(row.get(column, "")) for column in columns))
    write_text(path, "\n".join(lines) + "\n")


SPEED = {
    "seconds": 130.0,
    "seconds_loading": 2.0,
    "new_tokens": 45,
    "new_tokens_per_second": 31.5,
    "peak_memory_bytes": 1.9e9,
    "bytes_on_disk": 2.7e8,
    "bytes_stored": 2.7e8,
    "bytes_loaded": 2.7e8,
    "bytes_unpacked": 2.7e8,
    "device": "a processor, 2 threads",
    "dtype": "bf16",
    "precision": "auto",
    "batch_size": 8,
    "batch_size_reduced": False,
}
GENERATION = {
    "template": "plain",
    "template_version": 1,
    "pad_token": "<|pad|>",
    "selection": None,
    "articles_with_fewer_shots": 0,
    "articles": 5,
    "articles_shortened": 1,
    "empty_predictions": 0,
    "ended_by": {"end": 4, "limit": 1},
}
TUNING = {
    "rows": 200,
    "validation_rows": 20,
    "truncated": {"train": 4, "validation": 0},
    "max_length": 512,
    "longest": 480,
    "tokens": 60000,
    "completion_tokens": 5000,
    "epochs": 1,
    "steps": 10,
    "batch_size": 8,
    "effective_batch": 16,
    "out_of_memory": [16],
    "precision": "bf16",
    "stored": "bfloat16",
    "validation_loss": {"before": 2.9, "after": 2.2, "best": 2.2},
    "best_step": 10,
    "lora": None,
    "packing": False,
    "packed_rows": None,
    "processes": 1,
    "zeros_kept": 0,
}
STORAGE = {
    "dense_bytes": 270000000,
    "bitmask_bytes": 215000000,
    "computed_share": 215 / 270,
    "packed": {
        "tensors": 210,
        "weights": 106000000,
        "zeros": 31800000,
        "dense_bytes": 212000000,
        "bitmask_bytes": 161650000,
        "computed_share": 0.7625,
    },
}
LENGTHS = {"min": 5, "mean": 20.4, "median": 19.0, "p90": 30.0, "p95": 33.0, "p99": 39.0, "max": 41}
TEXT_LENGTHS = dict.fromkeys(("characters", "words", "sentences"), LENGTHS) | {"tokens": {"llama": LENGTHS, "smollm2": LENGTHS}}
STATS = {
    "percentiles": [90, 95, 99],
    "splits": {split: {"pairs": 5, "article": TEXT_LENGTHS, "reference": TEXT_LENGTHS} for split in ("train", "validation", "test")},
    "histograms": {
        text: {"width": width, "counts": dict.fromkeys(("train", "validation", "test"), [1, 3, 1])}
        for text, width in (("article", 10), ("reference", 2))
    },
    "sample": {"id": "a1", "article": ARTICLE, "reference": REFERENCE},
}
