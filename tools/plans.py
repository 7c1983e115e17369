"""What Snakemake plans after an edit, for many edits: each a dry run of its own command line, in a fork of a process that has it loaded."""

import json
import logging
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema  # noqa: F401 (what a plan imports is imported once)
import smart_open  # noqa: F401
import yaml
from snakemake.cli import main as snakemake
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_report_plugins.registry import ReportPluginRegistry

ReportPluginRegistry()


@dataclass(frozen=True)
class Edit:
    """A change to a finished run: keys of the configuration, files, what is removed, options of the command line."""

    keys: dict = field(default_factory=dict)
    files: tuple = ()
    touched: tuple = ()
    removed: tuple = ()
    options: tuple = ()


@dataclass(frozen=True)
class Job:
    rule: str
    wildcards: dict
    inputs: list
    reason: str
    threads: int

    @property
    def updated(self):
        """The inputs whose content is not that of the last time."""
        found = re.search(r"Updated input files: (.*?)(?:;|$)", self.reason)
        return found.group(1).split(", ") if found else []


class PlanError(Exception):
    """Snakemake planned nothing; what it said."""


@contextmanager
def made(edit, folder):
    """The edit in a folder, for as long as the block runs; yields options for Snakemake."""
    kept = {folder / path: (folder / path).read_bytes() for path in edit.files}
    times = {folder / path: (folder / path).stat() for path in (*edit.files, *edit.touched)}
    aside = Path(tempfile.mkdtemp(dir=folder.parent))
    overlay = aside / "edit.yaml"
    overlay.write_text(yaml.safe_dump(edit.keys), encoding="utf-8")
    try:
        for path, content in kept.items():
            comment = path.suffix in (".py", ".yaml", ".smk", ".toml") or path.name == "Snakefile"
            path.write_bytes(content + (b"\n# edited\n" if comment else b"\n"))
        for path in edit.touched:
            (folder / path).touch()
        for number, path in enumerate(edit.removed):
            (folder / path).rename(aside / str(number))
        yield [*edit.options, *(["--configfile", "presets/smoke.yaml", "more.yaml", str(overlay)] if edit.keys else [])]
    finally:
        for number, path in enumerate(edit.removed):
            (aside / str(number)).rename(folder / path)
        for path, content in kept.items():
            path.write_bytes(content)
        for path, stat in times.items():
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        shutil.rmtree(aside)


def plan(folder, edit, targets):
    """The jobs that Snakemake would run in the folder after the edit."""
    with made(edit, folder) as options, tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as found:
        configfiles = [] if "--configfile" in options else ["--configfile", "presets/smoke.yaml", "more.yaml"]
        child = os.fork()
        if child == 0:
            _dry_run(folder, ["--dry-run", *configfiles, *options, "--", *targets], said, found)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        found.seek(0)
        if status:
            raise PlanError(said.read())
        return [Job(**job) for job in json.load(found)]


def plans(folders, edits, targets):
    """The plan of each edit ({name: Edit}), made in equal folders side by side: {name: jobs}."""
    names = list(edits)
    shares = [(folder, {name: edits[name] for name in names[number :: len(folders)]}, targets) for number, folder in enumerate(folders)]
    with multiprocessing.get_context("fork").Pool(len(folders)) as pool:
        found = {name: jobs for share in pool.starmap(_share, shares) for name, jobs in share.items()}
    if refused := {name: said for name, said in found.items() if isinstance(said, str)}:
        raise PlanError("\n".join(f"{name}: {said}" for name, said in refused.items()))
    return {name: found[name] for name in names}


def _share(folder, edits, targets):
    """The plans, or what Snakemake said where it made none."""
    found = {}
    for name, edit in edits.items():
        try:
            found[name] = plan(folder, edit, targets)
        except PlanError as error:
            found[name] = str(error)
    return found


def _dry_run(folder, arguments, said, found):
    """In the fork: what Snakemake says goes to one file, the jobs to another. It never returns."""
    status, jobs = 1, []

    def collect(record):
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            of_job = {"rule": record.rule_name, "wildcards": dict(record.wildcards), "inputs": record.input}
            jobs.append({**of_job, "reason": record.reason, "threads": record.threads})
        return True

    try:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
        os.chdir(folder)
        for module in [name for name in sys.modules if name.partition(".")[0] == "lib"]:
            del sys.modules[module]  # the folder has its own
        logging.raiseExceptions = False
        logger.addFilter(collect)
        snakemake(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
        json.dump(jobs, found)
        found.flush()
    finally:
        os._exit(status)
