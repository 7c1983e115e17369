"""What a study of the configuration is about, and what its systems differ in: the report and the list of its pictures both ask here.

A study sets some systems beside a baseline; what it is about follows from its systems, not from its name.
"""

from lib.systems import lineage, own_systems

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


def figure_names(config):
    """The pictures of a run's report: the scores of its own systems, and one of each study."""
    return ["scores", *(f"study_{name}" for name in studies(config))]
