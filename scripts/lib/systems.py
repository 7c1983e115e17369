"""What the configuration says of systems and of the assets that a run works with; the rules and the report both ask here."""


def lineage(systems, name):
    """The system and its ancestors, itself first."""
    yield name
    if "parent" in systems[name]:
        yield from lineage(systems, systems[name]["parent"])


def is_sparse(systems, name):
    """Whether a system is pruned or descends from one that is."""
    return any(systems[ancestor]["kind"] == "prune" for ancestor in lineage(systems, name))


def used_assets(config):
    """The names under `models` and `datasets` that this run works with."""
    summarization = config["summarization"]
    models = [system["model"] for system in summarization["systems"].values() if "model" in system]
    names = [config["ner"]["backbone"], *models, summarization["bertscore"]["model"], *config["ner"]["datasets"], summarization["dataset"]]
    return list(dict.fromkeys(names))
