"""What a study of the configuration is about, and what its systems differ in: the report and the list of its pictures both ask here.

A study sets some systems beside a baseline; what it is about follows from its systems, not from its name.
"""

from lib.systems import is_sparse, lineage, own_systems

OF_AXIS = {"amount": "pruning", "shots": "shots"}
PRUNED_BY = ("method", "scope")


def studies(config):
    """The studies of a configuration, {name: study}."""
    return config["summarization"]["studies"]


def members(config, study):
    """A study's baseline and its systems."""
    return [study["baseline"], *study["systems"]]


def subject(config, study):
    """pruning, shots, precision, prompting (another prompt or model), or other."""
    systems = config["summarization"]["systems"]
    if study.get("axis"):
        return OF_AXIS[study["axis"]]
    if all(nearest(systems, name, "method") for name in study["systems"]):
        return "pruning"
    if all(asked(systems, name) != asked(systems, study["baseline"]) for name in study["systems"]):
        return "prompting"
    if all("precision" in systems[name] for name in study["systems"]):
        return "precision"
    return "shots" if all({"shots", "selection"} & set(systems[name]) for name in study["systems"]) else "other"


def asked(systems, name):
    """The model that a system descends from, and the prompt of its own or of an ancestor, if there is one."""
    return nearest(systems, name, "model"), nearest(systems, name, "prompt")


def about(config, *subjects):
    """The names of the studies about one of these subjects."""
    return [name for name, study in studies(config).items() if subject(config, study) in subjects]


def nearest(systems, name, key):
    """A key of the system or of the nearest ancestor that has it; None if none has."""
    return next((systems[ancestor][key] for ancestor in lineage(systems, name) if key in systems[ancestor]), None)


# ------------------------------------------------------------------ curves


def kin(config, name):
    """Systems of no study that belong into a study's curve: those that descend from its baseline, or differ from it in their shots only."""
    systems, study = config["summarization"]["systems"], studies(config)[name]
    baseline = study["baseline"]
    if study.get("axis") == "amount":
        found = [other for other in own_systems(config) if baseline in lineage(systems, other)]
    elif study.get("axis") == "shots":
        found = [other for other in own_systems(config) if without_shots(systems[other]) == without_shots(systems[baseline])]
    else:
        found = []
    return [other for other in found if other != baseline]


def without_shots(system):
    return {key: value for key, value in system.items() if key not in ("shots", "selection")}


def in_curve(config, name):
    """All systems of a study's curve but its baseline."""
    return [*kin(config, name), *studies(config)[name]["systems"]]


def position(config, name, system):
    """Where a system stands on the axis of a study."""
    axis = studies(config)[name]["axis"]
    value = nearest(config["summarization"]["systems"], system, axis)
    return value if value is not None else config["summarization"]["generation"].get(axis, 0)


def group(config, name, system):
    """The line of a study's curve that a system belongs to: (selection,), or (method, scope, kind) of the pruning that it rests on."""
    summarization = config["summarization"]
    systems = summarization["systems"]
    if studies(config)[name]["axis"] == "shots":
        return (nearest(systems, system, "selection") or summarization["generation"]["selection"],)
    return (*(nearest(systems, system, key) for key in PRUNED_BY), systems[system]["kind"])


def losing(config):
    """Systems whose loss on the validation references is measured for a study's sake: those of curves over the amount."""
    names = [
        n for name, study in studies(config).items() if study.get("axis") == "amount" for n in [study["baseline"], *in_curve(config, name)]
    ]
    return list(dict.fromkeys(names))


# ------------------------------------------------------------------ pictures

DENSE = (None, None, None)
STANDING = {  # pictures that do not depend on studies: the systems without which the report has no place for them
    "scores": [],
    "ner_labels": [],
    "ner_lengths": [],
    "ner_training": [],
    "ner_types": [],
    "confusion": [],
    "lengths": [],
    "own_costs": [],
    "tuning": ["smollm2_tuned"],
    "tuning_again": ["smollm2_tuned", "smollm2_pruned", "smollm2_retuned", "smollm2_tuned_again"],
    "sparsity": ["smollm2_pruned"],
    "pruned_costs": ["smollm2_tuned", "smollm2_pruned"],
}


def figure_names(config):
    """The pictures of a run's report: those that any run of its systems has, and one of each study."""
    systems = config["summarization"]["systems"]
    standing = [name for name, needed in STANDING.items() if all(system in systems for system in needed)]
    if not measured(config):
        standing.remove("own_costs")
    return [*standing, *(f"study_{name}" for name in studies(config))]


def kind_of_picture(config, name):
    """How a picture is drawn. A study's: a curve over its axis, a score against its costs, or scores by system."""
    if name in STANDING:
        return name
    study = studies(config)[name.removeprefix("study_")]
    if study.get("axis"):
        return study["axis"]
    return "costs" if subject(config, study) == "precision" else "systems"


def measured(config):
    """The run's own systems that run a model."""
    return [name for name in own_systems(config) if config["summarization"]["systems"][name]["kind"] != "lead"]


def tunings(config):
    """Fine-tuned systems that start from a model as it was published."""
    systems = config["summarization"]["systems"]
    return [name for name, system in systems.items() if system["kind"] == "finetune" and "parent" not in system]


def further_tunings(config):
    """Fine-tuned systems that start from another system's model."""
    systems = config["summarization"]["systems"]
    return [name for name, system in systems.items() if system["kind"] == "finetune" and "parent" in system]


def layers_shown(config):
    """Pruned systems: the run's own, and those of studies."""
    pruned = [name for name, system in config["summarization"]["systems"].items() if system["kind"] == "prune"]
    own = own_systems(config)
    return [name for name in pruned if name in own], [name for name in pruned if name not in own]


def sparse_and_dense(config):
    """Pruned systems and what descends from them, each lineage after the dense system that it starts from."""
    systems = config["summarization"]["systems"]
    found = []
    for name in (name for name in systems if is_sparse(systems, name)):
        dense = [ancestor for ancestor in lineage(systems, name) if not is_sparse(systems, ancestor)]
        found += [*dense[:1], name]
    return list(dict.fromkeys(found))


def of_pruning(config, name):
    """(method, scope, kind) of the pruning that a system rests on, or DENSE."""
    systems = config["summarization"]["systems"]
    if not is_sparse(systems, name):
        return DENSE
    return (*(nearest(systems, name, key) for key in PRUNED_BY), systems[name]["kind"])
