"""Settings of a run: the leaves of its configuration, and where two of them differ."""

NOT_SETTINGS = (
    "run",
    "left",
    "right",
    "student_name",
    "student_id",
    "course",
    "about",
    "stand_ins",
    "report",
)  # what the run is called, not what it does


def compared(one, other, *names):
    """Every leaf of two configurations that differs, in the order of the keys: [{"key", and its values under the two names}].

    A key set to null differs not from one left out.
    """
    theirs, ours = (dict(leaves(config)) for config in (one, other))
    keys = [*theirs, *(key for key in ours if key not in theirs)]
    return [
        {"key": key, **{name: values[key] for name, values in zip(names, (theirs, ours), strict=True) if key in values}}
        for key in keys
        if ours.get(key) != theirs.get(key)
    ]


def leaves(node, path=""):
    """(dotted key, value) of everything that is not a mapping; a list is one value."""
    for key, value in node.items():
        place = f"{path}.{key}" if path else key
        if place in NOT_SETTINGS:
            continue
        if isinstance(value, dict):
            yield from leaves(value, place)
        elif value is not None:
            yield place, value


def overrides(base, config):
    """What a --configfile must say so that, merged over `base`, it gives `config`: null for what is to be taken away."""
    changed = {}
    for key in [*config, *(key for key in base if key not in config)]:
        ours, theirs = config.get(key), base.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            if deeper := overrides(theirs, ours):
                changed[key] = deeper
        elif ours != theirs:
            changed[key] = ours
    return changed
