"""How a run came about: the commit of its files, its rules in the order of their work, what their jobs took, what was checked before."""

import statistics

from lib.commit import commit
from lib.records import read_json
from lib.rule_record import Measured, measured


def provenance(rules, benchmarks, preflight, project):
    """commit, changed; rules, of each name, script, jobs, after, measured, seconds, longest, megabytes; unmeasured; checks.

    rules       what lib.rule_record reads
    benchmarks  the run's folder of them, and the file of preflight's checks: no rule's outputs, so whatever of them is there counts
    project     the folder of the project's files
    """
    found = measured(rules, benchmarks) | {"report": Measured()}  # what is there of it is an earlier writing's
    rows = [row(name, rule, found[name]) for name, rule in in_order(rules["rules"])]
    return {
        **commit(project),
        "rules": rows,
        "unmeasured": [row["name"] for row in rows if not row["measured"]],
        "checks": read_json(preflight)["checks"] if preflight.is_file() else [],
    }


def in_order(rules):
    """The rules as items, those first whose first job comes first."""
    return sorted(rules.items(), key=lambda item: (item[1]["depth"], item[0]))


def row(name, rule, jobs):
    seconds, megabytes = jobs.seconds, jobs.megabytes
    return {
        **rule,
        "name": name,
        "measured": len(seconds),
        "seconds": sum(seconds) if seconds else None,
        "median": statistics.median(seconds) if seconds else None,
        "longest": max(seconds, default=None),
        "bytes": max(megabytes) * 2**20 if megabytes else None,
    }
