"""Write docs/reruns.md: edit X, and exactly these rules run again.

    make reruns

runs     the smoke preset and more (tests/system/sources_run.py) in a copy of the project
makes    each edit there, and asks Snakemake for its plan
writes   docs/reruns.md
"""

import itertools
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reruns.md"
sys.path[:0] = [str(ROOT / folder) for folder in ("tools", "scripts", "tests/workflow", "tests/system")]

from edits import key_edits  # noqa: E402
from lib.manifest import files_of  # noqa: E402
from plans import Edit, PlanError, plan, plans  # noqa: E402
from sources_run import TARGETS, finished_run  # noqa: E402

SHOWN = ("record_config", "report", "submission")  # every key stands in the recorded configuration, which the report shows
PACKED = ("submission",)  # the archive holds the project's files
LEAST = 4  # of a rule's jobs that are named; more are counted

HEAD = """# What an edit runs again

Written by `tools/reruns.py` (`make reruns`), and held by `tests/system/test_reruns.py`, which makes each edit in a copy of a finished
run and compares Snakemake's plan with this page. The run is the smoke preset with a data set of a hub, one of a wheel, and systems of
the kinds that the preset lacks (`tests/system/sources_run.py`); its targets are `all` and `submission`. Its systems have the
assignment's names, so that the page holds for any other preset with its own systems in their places.

A rule without names stands for all of its jobs; names in brackets are the only ones that run: systems, models, data sets, folders of
taggers. A number of jobs is given where they are many.
"""
KEYS = """
## Keys of the configuration

Every key stands in the recorded configuration, which the report shows and the archive holds: `record_config`, `report` and `submission`
run after an edit of any of them, and are left out below. Of keys that several entries of one kind may have (of systems, models, data
sets, variants) and none of them has here, one entry stands for all. `run` is no edit but another run, in folders of its own; what was
fetched is not fetched again.
"""
FILES = """
## Files

`submission` is left out, since the archive holds the project's files: it runs after an edit of any of them.
Files in one row are edited together, and each is among the reasons that Snakemake gives for each rule that reads it.
The run has no job of {absent}: an edit of what only these read is nothing to it.
"""
FOLDERS = """
## Assets and models

Snakemake does not look inside a folder that a rule made. Beside each (`assets/{name}/{revision}`, `model`) a record of the same name
with `.json` holds the checksums of its files, and a run stops with one line at a folder that is not as its record says. What was made
from the folder before stays valid: when the folder is removed nothing runs, until something needs it.
"""
NOTHING = """
## Nothing

"""
CONDA = """
## Env files

Under `--use-conda`, and only there, an edited env file runs again what runs in it, by Snakemake's own rule, and what follows from that.
That is why a run under conda has a `run` of its own. The rules are those that name the file; `tests/system/test_conda.py` edits both in
a finished run under conda.
"""


def main():
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        folder.mkdir()
        page = table(finished_run(folder))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    print(PAGE.relative_to(ROOT))


def table(folder):
    """The page, from plans in a finished run and in a copy of it."""
    other = folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, other, symlinks=True)
    try:
        return Tables([folder, other]).page()
    finally:
        shutil.rmtree(other)


class Tables:
    def __init__(self, folders):
        self.folders, self.folder = folders, folders[0]
        self.config = yaml.safe_load((self.folder / "results" / "reruns" / "config.yaml").read_text(encoding="utf-8"))
        self.every_job = plan(self.folder, Edit(options=("--forceall",)), TARGETS)
        included = re.findall(r'^include: "(rules/.*)"', (self.folder / "Snakefile").read_text(encoding="utf-8"), re.M)
        texts = [(self.folder / path).read_text(encoding="utf-8") for path in included]
        self.order = [rule for text in texts for rule in re.findall(r"^rule (\w+):", text, re.M)]
        self.every = Counter(job.rule for job in self.every_job if job.rule != "all")

    def page(self):
        absent = ", ".join(f"`{rule}`" for rule in self.order if rule not in self.every)
        parts = [
            HEAD,
            KEYS,
            self.keys(),
            FILES.format(absent=absent),
            self.files(),
            FOLDERS,
            self.made(),
            NOTHING,
            self.nothing(),
            CONDA,
            self.envs(),
        ]
        return "".join(parts)

    # -------------------------------------------------------------- sections

    def keys(self):
        schema = yaml.safe_load((self.folder / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
        edits = key_edits(self.config, schema)
        edits |= {
            "`seeds`, one more": Edit(keys={"seeds": [42, 43]}),
            "a system more": Edit(keys={"summarization": {"systems": {"lead2": {"kind": "lead", "sentences": 2}}}}),
            "a system less": Edit(keys={"summarization": {"systems": {"similar_shots": None}}}),
            "a variant more": Edit(keys={"ner": {"variants": {"all_subwords": {"alignment": "all"}}}}),
            "a study less": Edit(keys={"summarization": {"studies": {"again": None}}}),
            "`presets/study.yaml` besides": Edit(options=more("presets/study.yaml")),
            "`presets/ner_study.yaml` besides": Edit(options=more("presets/ner_study.yaml")),
        }
        found = plans(self.folders, edits, TARGETS)
        names = {key: key if " " in key else f"`{key}`" for key in edits}
        return rows(("edit", "runs again"), {names[key]: self.cell(jobs, SHOWN) for key, jobs in found.items()})

    def files(self):
        """Files that the same jobs read stand in one row; so do those that no job reads but submission."""
        readers = {}
        for job in self.every_job:
            for path in job.inputs:
                readers.setdefault(path, []).append((job.rule, *job.wildcards.values()))
        groups = {}
        for path in project_files(self.folder):
            groups.setdefault(tuple(sorted(readers.get(str(path), []))), []).append(path)
        cells = {}
        for jobs, planned in plans(self.folders, {jobs: Edit(files=tuple(paths)) for jobs, paths in groups.items()}, TARGETS).items():
            named = [set(job.updated) for job in planned if job.updated]
            wanted = set(map(str, groups[jobs])) if jobs else set()
            assert all(one == wanted for one in named) and bool(named) == bool(jobs), f"of {wanted}, Snakemake names {named}"
            cells.setdefault(self.cell(planned, PACKED), []).extend(groups[jobs])
        return rows(("edit", "runs again"), {shortened(paths): cell for cell, paths in cells.items()})

    def made(self):
        records = [*(self.folder / "assets").glob("*/*.json"), *(self.folder / "results" / "reruns").rglob("model.json")]
        cells = {}
        for folder in sorted(record.with_suffix("") for record in records):
            path = folder.relative_to(self.folder)
            cells[f"`{path}`, a file in it"] = self.refused(Edit(files=(path / files_of(folder)[0],)))
            cells[f"`{path}`, removed"] = self.cell(plan(self.folder, Edit(removed=(path,)), TARGETS), ())
        local = Path(self.config["datasets"]["peyma_arman"]["path"]) / "data" / "test.jsonl"
        cells[f"`{local}`, the file of a local data set"] = self.cell(plan(self.folder, Edit(files=(local,)), TARGETS), ())
        return rows(("edit", "runs again"), cells)

    def refused(self, edit):
        try:
            plan(self.folder, edit, TARGETS)
        except PlanError as error:
            assert "not as" in str(error) and "records it" in str(error), error
            return "stops"
        return "not seen"

    def nothing(self):
        scripts = tuple(path.relative_to(self.folder) for path in sorted((self.folder / "scripts").rglob("*.py")))
        inputs = tuple(path.relative_to(self.folder) for path in (self.folder / "results" / "reruns").rglob("*.parquet"))
        edits = {
            "no edit": Edit(),
            "every script and module touched": Edit(touched=scripts),
            "every table of data touched": Edit(touched=inputs),
            "another number of cores": Edit(options=("--cores", "1")),
            "other threads of a rule": Edit(options=("--set-threads", "finetune=1", "generate=1")),
            "other resources of a rule": Edit(options=("--set-resources", "finetune:processes=2", "generate:mem_mb=9000")),
            "a profile": Edit(options=("--profile", "profiles/slurm")),
        }
        return rows(("edit", "runs again"), {what: self.cell(jobs, ()) for what, jobs in plans(self.folders, edits, TARGETS).items()})

    def envs(self):
        owners = {}
        for path in sorted((self.folder / "rules").glob("*.smk")):
            rule = None
            for line in path.read_text(encoding="utf-8").splitlines():
                rule = line.split()[1].rstrip(":") if line.startswith("rule ") else rule
                if line.strip().startswith('"../envs/'):
                    owners.setdefault(f"`{line.strip().strip(chr(34)).removeprefix('../')}`", []).append(rule)
        return rows(("edit", "runs again"), {env: ", ".join(f"`{rule}`" for rule in rules) for env, rules in sorted(owners.items())})

    # -------------------------------------------------------------- cells

    def cell(self, jobs, left_out):
        """The rules of a plan, in the order of the workflow; what should have been there and is not is said, too."""
        planned = {}
        for job in jobs:
            if job.rule != "all":
                planned.setdefault(job.rule, []).append(job.wildcards)
        lacking = [rule for rule in left_out if rule not in planned]
        names = [f"`{rule}`{self.which(rule, planned[rule])}" for rule in self.order if rule in planned and rule not in left_out]
        return (
            ", ".join(names) + (f"{' ' if names else ''}(not {', '.join(f'`{rule}`' for rule in lacking)})" if lacking else "") or "nothing"
        )

    def which(self, rule, wildcards):
        if len(wildcards) == self.every[rule]:
            return ""
        names = sorted({name(own) for own in wildcards} - {""})
        return f" ({', '.join(names)})" if 0 < len(names) <= LEAST else f" ({len(wildcards)})"


def name(wildcards):
    return next(iter(wildcards.values()), "")


def more(*presets):
    return ("--configfile", "presets/smoke.yaml", "more.yaml", *presets)


def project_files(folder):
    """The project's files that a run can read, without tests and their data."""
    ours = (
        "Snakefile",
        "config.yaml",
        "rules",
        "scripts",
        "envs",
        "schemas",
        "presets",
        "prompts",
        "profiles",
        "report",
        "requirements.txt",
    )
    found = [path for part in ours for path in ([folder / part] if (folder / part).is_file() else sorted((folder / part).rglob("*")))]
    return [path.relative_to(folder) for path in found if path.is_file() and "__pycache__" not in path.parts]


def shortened(paths):
    """Files as a table names them: those of a folder together."""
    folders = itertools.groupby(sorted(paths, key=lambda path: path.parent), key=lambda path: path.parent)
    return "<br>".join(
        f"`{folder}/` {', '.join(f'`{path.name}`' for path in own)}" if str(folder) != "." else ", ".join(f"`{path}`" for path in own)
        for folder, own in ((folder, list(own)) for folder, own in folders)
    )


def rows(head, cells):
    """A Markdown table of {edit: what runs}; edits that run the same share a row."""
    shared = {}
    for edit, cell in cells.items():
        shared.setdefault(cell, []).append(edit)
    lines = [f"| {' | '.join(head)} |", "|---|---|", *(f"| {'<br>'.join(edits)} | {cell} |" for cell, edits in shared.items())]
    return "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
