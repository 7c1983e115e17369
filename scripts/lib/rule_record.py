"""The rules behind a run's files, as the workflow records them: which makes which file, which follows which, what their jobs took."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from lib.program import InputError
from lib.records import read_jsonl


def pattern(path):
    """The files of one name under the same top folder: `summarization/*/scores.json`."""
    parts = path.split("/")
    return f"{parts[0]}/*/{parts[-1]}" if len(parts) > 2 else path


def compact(makers):
    """{path: rule} with a pattern for all paths of which one rule makes most; a shell takes 128 KiB in one argument."""
    groups = {}
    for path, rule in makers.items():
        groups.setdefault(pattern(path), {}).setdefault(rule, []).append(path)
    found = {}
    for shared, by_rule in groups.items():
        most = max(by_rule, key=lambda rule: len(by_rule[rule]))
        found[shared] = most
        found |= {path: rule for rule, paths in by_rule.items() if rule != most for path in paths}
    return found


def rules_of(record, path):
    """The rules that make a file, or the files that a path with `*` names. Raises InputError if none does."""
    files = record["files"]
    if "*" in path:
        found = [rule for other, rule in files.items() if pattern(other) == pattern(path)]
    else:
        found = [files[key] for key in (path, pattern(path)) if key in files][:1]
    if not found:
        raise InputError(f"rules.json: no rule makes {path}; expected one for every file that the report shows; run the workflow again")
    return list(dict.fromkeys(found))


# ------------------------------------------------------------------ what the jobs took


@dataclass
class Measured:
    """Benchmarks of a rule's jobs."""

    seconds: list = field(default_factory=list)
    megabytes: list = field(default_factory=list)  # peak resident memory, of jobs that were long enough for one to be seen


def measured(record, folder):
    """{rule: Measured} from the benchmarks under a folder: of jobs that this run has, whether it made them now or before."""
    patterns = {name: re.compile(matching(rule["benchmark"], record["wildcards"])) for name, rule in record["rules"].items()}
    found = {name: Measured() for name in record["rules"]}
    for path in sorted(Path(folder).rglob("*.jsonl")):
        for name, expression in patterns.items():
            if expression.fullmatch(path.relative_to(folder).as_posix()):
                for row in read_jsonl(path):
                    found[name].seconds.append(row["s"])
                    found[name].megabytes += [row["max_rss"]] if isinstance(row["max_rss"], int | float) else []
    return found


def matching(benchmark, wildcards):
    """A regular expression for a pattern of benchmarks, whose wildcards stand for the values that they have in this run."""
    parts = re.split(r"\{(\w+)\}", benchmark)
    for place in range(1, len(parts), 2):
        parts[place] = f"(?:{'|'.join(map(re.escape, wildcards[parts[place]]))})"
    return "".join(re.escape(part) if place % 2 == 0 else part for place, part in enumerate(parts))
