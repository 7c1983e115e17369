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
    yield from cut_references(run)
    yield from grouped(warning for name in run["summ"]["systems"] for warning in system_warnings(report, name))
    yield from unexpected(report)


def cut_references(run):
    """References that BERTScore did not read to their ends; they are the same for all systems."""
    scores = next(iter(run["summ"]["systems"].values()))["scores"]
    if scores["truncated"]["references"]:
        yield {"kind": "bertscore_cut_references", "count": scores["truncated"]["references"], "total": scores["n"]}


def grouped(warnings):
    """One warning for all systems that share its kind and what it says, with `systems`, in the order in which they first come."""
    groups = {}
    for warning in warnings:
        groups.setdefault((warning["kind"], warning.get("dtype")), []).append(warning)
    return [{"kind": kind, "dtype": dtype, "systems": group} for (kind, dtype), group in groups.items()]


def tagger_warnings(run):
    training, test = run["ner"]["training"], run["ner"]["metrics"]["test"]
    if training["out_of_memory"]:
        yield {"kind": "ner_batch", "batch": training["batch_size"], "accumulation": training["gradient_accumulation_steps"]}
    if run["config"]["ner"]["precision"] == "auto":
        yield {"kind": "ner_dtype", "dtype": training["precision"]}
    rare = [kind for kind, block in test["by_type"].items() if block["support"] < FEW_ENTITIES]
    if rare:
        yield {"kind": "rare_types", "limit": FEW_ENTITIES, "types": rare}


def system_warnings(report, name):
    system, config = report.system(name), report.run["config"]["summarization"]
    predictions, speed, training = system["predictions"], system["speed"], system.get("training")
    counts = {
        "truncated": (sum(row["truncated"] for row in predictions), len(predictions)),
        "empty": (sum(not row["prediction"].strip() for row in predictions), len(predictions)),
    }
    counts["bertscore_cut"] = (system["scores"]["truncated"]["predictions"], system["scores"]["n"])
    if "generation" in system:
        counts["unended"] = (system["generation"]["ended_by"]["limit"], len(predictions))
    if training:
        counts["training_truncated"] = (training["truncated"]["train"], training["rows"])
    for kind, (count, total) in counts.items():
        if count:
            yield {"kind": kind, "system": name, "count": count, "total": total}
    if speed["batch_size_reduced"]:
        yield {"kind": "batch", "system": name}
    if speed["precision"] == "auto":
        yield {"kind": "dtype", "system": name, "dtype": speed["dtype"]}
    if training and system["config"].get("training", {}).get("precision", config["training"]["precision"]) == "auto":
        yield {"kind": "training_dtype", "system": name, "dtype": training["precision"]}


def unexpected(report):
    """Expected comparisons that came out otherwise, with the deciding scores in which they did."""
    for pair in report.findings_pairs():
        if "expected" in pair:
            metrics = [metric for metric in report.deciding if report.better(pair["system"], pair["other"], metric) != pair["expected"]]
            if metrics:
                yield {"kind": "unexpected", "metrics": metrics, **pair}
