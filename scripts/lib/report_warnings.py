"""What a reader of a run's figures should know: stand-ins, problems left in the data, checks that noted something, shortened and empty
texts, fallbacks, and results that were not expected.
"""

from lib.preflight import OK

FEW_ENTITIES = 50  # of a type in the test set, below which its scores say little
FEW_ARTICLES = 100  # of the assignment's own test sample
EXPECTED = {"higher": ("higher",), "lower": ("lower",), "no_lower": ("higher", "unclear")}  # which results meet an expectation


def run_warnings(report):
    """Dicts with `kind`, a key under `warnings` in the texts, and the values that the text names."""
    run = report.run
    if run["config"].get("about") or run["differences"]:
        yield {"kind": "not_assignment", "stand_ins": len(run["config"].get("stand_ins") or []), "differences": len(run["differences"])}
    yield from check_warnings(report.sources.provenance["checks"])
    yield from audit_warnings(run)
    yield from tagger_warnings(run)
    yield from split_warnings(run)
    if run["summ"]["sizes"]["test"] < FEW_ARTICLES:
        yield {"kind": "small_test", "count": run["summ"]["sizes"]["test"]}
    yield from cut_references(run)
    yield from grouped(warning for name in run["summ"]["systems"] for warning in system_warnings(report, name))
    yield from left_to_the_machine(run)
    devices = {system["speed"]["device"] for name, system in run["summ"]["systems"].items() if system["config"]["kind"] != "lead"}
    if len(devices) > 1:
        yield {"kind": "devices", "devices": sorted(devices)}
    yield from unexpected(report)


def check_warnings(checks):
    """What was noted before the run, or that nothing was checked."""
    if not checks:
        yield {"kind": "unchecked"}
    noted = [check for check in checks if check["status"] != OK]
    if noted:
        yield {"kind": "checks", "checks": noted}


def audit_warnings(run):
    """Problems of the data that stay, and steps against problems that are switched off."""
    findings = run["ner"]["audit"]["findings"]
    for kind, found in (
        ("left_in_data", [finding for finding in findings if finding["fix"] is None]),
        ("fix_off", [finding for finding in findings if finding["fix"] and not finding["fix_on"]]),
    ):
        if found:
            yield {"kind": kind, "findings": found}
    off = [step["step"] for step in run["ner"]["cleaning"]["steps"] if not step["on"]]
    if off:
        yield {"kind": "steps_off", "steps": off}


def split_warnings(run):
    """Splits with fewer pairs than were asked for."""
    asked, sizes = run["config"]["summarization"]["splits"], run["summ"]["sizes"]
    fewer = [{"split": split, "count": sizes[split], "total": asked[split]} for split in sizes if sizes[split] < asked[split]]
    if fewer:
        yield {"kind": "fewer_pairs", "splits": fewer}


def cut_references(run):
    """References that BERTScore did not read to their ends, or that ROUGE cannot score; they are the same for all systems."""
    scores = next(iter(run["summ"]["systems"].values()))["scores"]
    counts = {"bertscore_cut_references": scores["truncated"]["references"], "empty_references": scores["empty_references"]}
    counts["unseen_references"] = scores["references_without_rouge_words"]
    for kind, count in counts.items():
        if count:
            yield {"kind": kind, "count": count, "total": scores["n"]}


def grouped(warnings):
    """One warning for all systems that share its kind and what it says, with `systems`, in the order in which they first come."""
    groups = {}
    for warning in warnings:
        groups.setdefault((warning["kind"], warning.get("batch")), []).append(warning)
    return [{"kind": kind, "batch": batch, "systems": group} for (kind, batch), group in groups.items()]


def left_to_the_machine(run):
    """What `auto` came out as: by number format, whether the tagger had it, and the systems that were trained and that generated in it."""
    config, found = run["config"], {}

    def of(dtype):
        return found.setdefault(dtype, {"kind": "dtype", "dtype": dtype, "tagger": False, "trained": [], "generated": []})

    if config["ner"]["precision"] == "auto":
        of(run["ner"]["training"]["precision"])["tagger"] = True
    for name, system in run["summ"]["systems"].items():
        own = system["config"].get("training", {}).get("precision", config["summarization"]["training"]["precision"])
        if "training" in system and own == "auto":
            of(system["training"]["precision"])["trained"].append(name)
        if system["speed"]["precision"] == "auto":
            of(system["speed"]["dtype"])["generated"].append(name)
    return found.values()


def tagger_warnings(run):
    test = run["ner"]["metrics"]["test"]
    for name, tagger in [(None, run["ner"]), *run["ner"]["variants"].items()]:
        if tagger["training"]["out_of_memory"]:
            batch, accumulation = (tagger["training"][key] for key in ("batch_size", "gradient_accumulation_steps"))
            yield {"kind": "ner_batch", "variant_name": name, "batch": batch, "accumulation": accumulation}
    rare = [kind for kind, block in test["by_type"].items() if block["support"] < FEW_ENTITIES]
    if rare:
        yield {"kind": "rare_types", "limit": FEW_ENTITIES, "types": rare}


def system_warnings(report, name):
    system = report.system(name)
    predictions, speed, training = system["predictions"], system["speed"], system.get("training")
    counts = {
        "truncated": (sum(row["truncated"] for row in predictions), len(predictions)),
        "empty": (sum(not row["prediction"].strip() for row in predictions), len(predictions)),
    }
    counts["bertscore_cut"] = (system["scores"]["truncated"]["predictions"], system["scores"]["n"])
    counts["rouge_cut"] = (system["scores"]["pairs_cut_for_rouge"], system["scores"]["n"])
    if "generation" in system:
        generation = system["generation"]
        counts["unended"] = (generation["ended_by"]["limit"], len(predictions))
        counts["shots_shortened"] = (len(generation["shots_shortened"]), len(generation["shots"]))
        counts["fewer_shots"] = (generation["articles_with_fewer_shots"], len(predictions))
    if training:
        counts["training_truncated"] = (training["truncated"]["train"], training["rows"])
    for kind, (count, total) in counts.items():
        if count:
            yield {"kind": kind, "system": name, "count": count, "total": total}
    if speed["batch_size_reduced"]:
        yield {"kind": "batch", "system": name}
    if training and training["out_of_memory"]:
        yield {"kind": "training_batch", "system": name, "batch": training["batch_size"]}
    if training and training["validation_loss"]["after"] > training["validation_loss"]["before"]:
        yield {"kind": "loss_rose", "system": name}


def unexpected(report):
    """Expected comparisons that came out otherwise, with the deciding scores in which they did."""
    for pair in report.findings_pairs():
        if "expected" in pair:
            met = EXPECTED[pair["expected"]]
            metrics = [metric for metric in report.deciding if report.better(pair["system"], pair["other"], metric) not in met]
            if metrics:
                yield {"kind": "unexpected", "metrics": metrics, **pair}
