"""What a reader of a run's figures should know: stand-ins, shortened and empty texts, fallbacks, and results that were not expected."""

FEW_ENTITIES = 50  # of a type in the test set, below which its scores say little
FEW_ARTICLES = 100  # of the assignment's own test sample


def run_warnings(report):
    """Dicts with `kind`, a key under `warnings` in the texts, and the values that the text names."""
    run = report.run
    if run["config"].get("about") or run["differences"]:
        yield {"kind": "not_assignment", "stand_ins": len(run["config"].get("stand_ins") or []), "differences": len(run["differences"])}
    yield from tagger_warnings(run)
    if run["summ"]["sizes"]["test"] < FEW_ARTICLES:
        yield {"kind": "small_test", "count": run["summ"]["sizes"]["test"]}
    for name, system in run["summ"]["systems"].items():
        yield from system_warnings(name, system, run["config"]["summarization"])
    yield from unexpected(report)


def tagger_warnings(run):
    training, test = run["ner"]["training"], run["ner"]["metrics"]["test"]
    if training["out_of_memory"]:
        yield {"kind": "ner_batch", "batch": training["batch_size"], "accumulation": training["gradient_accumulation_steps"]}
    if run["config"]["ner"]["precision"] == "auto":
        yield {"kind": "ner_dtype", "dtype": training["precision"]}
    rare = [kind for kind, block in test["by_type"].items() if block["support"] < FEW_ENTITIES]
    if rare:
        yield {"kind": "rare_types", "limit": FEW_ENTITIES, "types": rare}


def system_warnings(name, system, config):
    predictions = system["predictions"]
    shortened = sum(bool(row.get("truncated")) for row in predictions)
    if shortened:
        yield {"kind": "truncated", "system": name, "count": shortened, "total": len(predictions)}
    empty = sum(not row["prediction"].strip() for row in predictions)
    if empty:
        yield {"kind": "empty", "system": name, "count": empty, "total": len(predictions)}
    if system["speed"]["batch_size_reduced"]:
        yield {"kind": "batch", "system": name}
    if system["speed"]["precision"] == "auto":
        yield {"kind": "dtype", "system": name, "dtype": system["speed"]["dtype"]}
    if "generation" in system and system["generation"]["ended_by"]["limit"]:
        yield {"kind": "unended", "system": name, "count": system["generation"]["ended_by"]["limit"], "total": len(predictions)}
    if "training" in system:
        training = system["training"]
        if training["truncated"]["train"]:
            yield {"kind": "training_truncated", "system": name, "count": training["truncated"]["train"], "total": training["rows"]}
        if system["config"].get("training", {}).get("precision", config["training"]["precision"]) == "auto":
            yield {"kind": "training_dtype", "system": name, "dtype": training["precision"]}


def unexpected(report):
    """Expected comparisons that came out otherwise, in each of the deciding scores."""
    for pair in report.findings_pairs():
        for metric in report.deciding:
            if "expected" in pair and report.better(pair["system"], pair["other"], metric) != pair["expected"]:
                yield {"kind": "unexpected", "metric": metric, **pair}
