"""What the configuration says of systems and of the assets that a run works with; the rules and the report both ask here."""

ASSIGNMENT = (
    *("lead3", "llama_zero_shot", "llama_few_shot", "smollm2_base", "smollm2_tuned", "smollm2_pruned", "smollm2_retuned"),
    "smollm2_tuned_again",
)  # the systems that the assignment asks for, by their names in config.yaml


def studied(config):
    """The systems that stand in the configuration for a study's sake only: the assignment's own may take part in one, too."""
    studies = config["summarization"]["studies"].values()
    return {name for study in studies for name in study["systems"]}.difference(ASSIGNMENT)


def own_systems(config):
    """The systems that do not: the assignment's, and any of the reader's own."""
    of_studies = studied(config)
    return [name for name in config["summarization"]["systems"] if name not in of_studies]


def lineage(systems, name):
    """The system and its ancestors, itself first."""
    yield name
    if "parent" in systems[name]:
        yield from lineage(systems, systems[name]["parent"])


def is_sparse(systems, name):
    """Whether a system is pruned or descends from one that is."""
    return any(systems[ancestor]["kind"] == "prune" for ancestor in lineage(systems, name))


def is_trained(systems, name):
    """Whether a system is fine-tuned or descends from one that is, so that its scores depend on the training seed."""
    return any(systems[ancestor]["kind"] == "finetune" for ancestor in lineage(systems, name))


def extra_seeds(config):
    """The training seeds for which every trained model repeats; the first seed's files have no folder of their own."""
    return config["seeds"][1:]


def seed_folder(folder, seed):
    """Where the files of another training seed lie: of a system's name, or of a tagger's folder."""
    return f"{folder}/seeds/{seed}"


def split_seed(folder):
    """The folder without that of its training seed, and the seed; None for files of the first seed, which lie in the folder itself."""
    base, _, seed = folder.partition("/seeds/")
    return base, int(seed) if seed else None


def with_seeds(systems, seeds):
    """The systems, and a repetition of each trained one for every further seed: {name/seeds/43: its entry with the parent's repetition}."""
    repeated = dict(systems)
    for seed in seeds:
        for name, system in systems.items():
            if is_trained(systems, name):
                repeated[seed_folder(name, seed)] = dict(system)
                if "parent" in system and is_trained(systems, system["parent"]):
                    repeated[seed_folder(name, seed)]["parent"] = seed_folder(system["parent"], seed)
    return repeated


def ner_folders(config):
    """Folders of the main tagger and of its variants under results/{run}/, without those of further seeds: {folder: variant, or None}."""
    return {"ner": None} | {f"ner/variants/{name}": name for name in config["ner"]["variants"]}


def ner_settings(config, variant):
    """The settings of the tagger (None: the main one): those of `ner`, overridden by the variant's."""
    return _merged(config["ner"], config["ner"]["variants"][variant] if variant else {})


def _merged(settings, overrides):
    """`settings` with the keys of `overrides` in their places, deeply."""
    changed = {
        key: _merged(settings[key], value) if isinstance(value, dict) and isinstance(settings.get(key), dict) else value
        for key, value in overrides.items()
    }
    return settings | changed


def keeps_copies(settings):
    """Whether a tagger's train may hold sentences of test, or some nearly the same, so that the unseen ones are scored apart."""
    return not all(settings["cleaning"][step] for step in ("deduplicate_across", "deduplicate_near"))


def compared_with(config, name):
    """The systems that a system is tested against in the common table: its parent, and those of compare_to."""
    summarization = config["summarization"]
    parent = summarization["systems"][name].get("parent")
    return [other for other in dict.fromkeys([parent, *summarization["compare_to"]]) if other not in (None, name)]


def used_assets(config):
    """The names under `models` and `datasets` that this run works with."""
    summarization = config["summarization"]
    models = [system["model"] for system in summarization["systems"].values() if "model" in system]
    backbones = [ner_settings(config, variant)["backbone"] for variant in ner_folders(config).values()]
    names = [*backbones, *models, summarization["bertscore"]["model"], *config["ner"]["datasets"], summarization["dataset"]]
    return list(dict.fromkeys(names))
