r"""Check everything that can be checked before work starts, and say how long the run should take.

    python scripts/preflight.py --needs '{"memory": {"what": "…", "mb": 9600}, …}' --lock requirements.txt --devices here \
        --output PREFLIGHT.json

reads    --needs         what the run asks for, as rules/common.smk makes it of the configuration: assets, disk, memory, precisions, work
         --lock          the pinned versions
         --devices       here, or elsewhere: whether the jobs run on this machine
writes   PREFLIGHT.json  the checks, each with its name, status (ok, note, failed) and text, and the hours to expect

Prints the checks as a table. If one fails, so does this script, and nothing is written. Assets that are fetched already need no access.
"""

import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import torch

from lib.device import DTYPES, device, device_name, resolve_precision
from lib.machine import free_memory_bytes, memory_bytes
from lib.preflight import (
    FAILED,
    NOTE,
    OK,
    Check,
    Machine,
    check_disk,
    check_memory,
    check_precisions,
    check_versions,
    hours,
    table,
)
from lib.program import InputError, existing_file, json_value, one_line, parser, program
from lib.publish import whole
from lib.records import write_json

PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", re.M)


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--needs", required=True, type=json_value)
    command.add_argument("--lock", required=True, type=existing_file)
    command.add_argument("--devices", required=True, choices=["here", "elsewhere"])
    command.add_argument("--output", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    elsewhere = args.devices == "elsewhere"
    machine = measured(() if elsewhere else asked_precisions(args.needs))
    checks = [
        *check_precisions(args.needs, machine, elsewhere),
        *([] if elsewhere else check_memory(args.needs, machine)),
        *check_disk(args.needs, {folder: disk(folder, need["there"]) for folder, need in args.needs["disk"].items()}),
        *check_writable(args.needs["folders"]),
        *check_versions(dict(PIN.findall(args.lock.read_text(encoding="utf-8"))), installed()),
        *check_access(args.needs["assets"]),
    ]
    at_work, source = machine, "from this machine's arithmetic and memory"
    if elsewhere:
        at_work, source = Machine(**args.needs["node"]), "if its jobs ran one after another, on nodes as their time limits assume"
    expected = hours(args.needs["work"], at_work)
    checks.append(Check("time", OK, f"about {duration(expected)} for the whole run, {source}"))
    print("\n".join(table(checks)), flush=True)
    failed = [check for check in checks if check.status == FAILED]
    if failed:
        raise InputError(
            f"preflight: {len(failed)} of {len(checks)} checks failed, expected none; {'; '.join(f'{c.name}: {c.text}' for c in failed)}"
        )
    with whole(args.output) as part:
        write_json(part, {"checks": [asdict(check) for check in checks], "hours": expected})


# ------------------------------------------------------------------ the machine


def asked_precisions(needs):
    return sorted({precision for work in needs["precisions"].values() for precision in work.values()})


def measured(precisions):
    """This machine, its speed measured in a second, and each of the `precisions` tried."""
    gpu = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None
    precision = resolve_precision("auto")
    matrix = torch.ones(1024, 1024, dtype=DTYPES[precision], device=device())
    block = torch.ones(2**26, dtype=torch.uint8, device=device())
    operations = 2 * 1024**3 / shortest(lambda: matrix @ matrix)
    bandwidth = 2 * len(block) / shortest(block.clone)
    lacking = {asked: why for asked in precisions if (why := refusal(asked, DTYPES[precision]))}
    return Machine(device_name(), memory_bytes(), gpu, precision, operations, bandwidth, lacking, free_memory_bytes())


def refusal(precision, dtype):
    """Why a linear layer does not compute in `precision` on this device; None if it does. Quantized ones compute in `dtype`."""
    try:
        layer = linear_layer(precision, dtype).to(device())
        layer(torch.ones(1, 64, dtype=DTYPES.get(precision, dtype), device=device()))
    except Exception as error:  # whatever a library raises that lacks a kernel, or was built for another device
        return f"{type(error).__name__}: {one_line(error)}"
    return None


def linear_layer(precision, dtype):
    if precision in ("nf4", "int8"):
        import bitsandbytes  # takes seconds, and not every run quantizes

        if precision == "nf4":
            return bitsandbytes.nn.Linear4bit(64, 64, bias=False, compute_dtype=dtype, quant_type="nf4")
        return bitsandbytes.nn.Linear8bitLt(64, 64, bias=False, has_fp16_weights=False)
    return torch.nn.Linear(64, 64, dtype=DTYPES.get(precision, dtype))


def shortest(action, times=8):
    """Seconds of the quickest of several runs."""
    import time

    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def installed():
    named = {distribution.metadata["Name"]: distribution.version for distribution in metadata.distributions()}
    return {name.lower().replace("_", "-"): version for name, version in named.items() if name}  # a package half removed has none


def existing(folder):
    """The folder, or the nearest one above it that is there."""
    folder = Path(folder).resolve()
    return next(place for place in (folder, *folder.parents) if place.exists())


def disk(folder, there):
    """(number of the disk on which a folder lies, bytes free there, bytes of what is there of the run already)."""
    place = existing(folder)
    files = [path for part in there for path in Path(part).rglob("*") if path.is_file()]
    return place.stat().st_dev, shutil.disk_usage(place).free, sum(path.stat().st_size for path in files)


def check_writable(folders):
    for folder in folders:
        try:
            with tempfile.TemporaryFile(dir=existing(folder)):
                pass
        except OSError as error:
            text = f"{existing(folder)} cannot be written to ({error.strerror}); change its permissions, or run from another folder"
            yield Check(f"write: {folder}", FAILED, text)
        else:
            yield Check(f"write: {folder}", OK, "can be written to")


def check_access(assets):
    """assets: [{"key", "kind", "folder", "entry"}]; those of the hub that are not there yet are asked for, and nothing is downloaded."""
    missing = [asset for asset in assets if not Path(asset["folder"]).exists()]
    if assets and not missing:
        yield Check("assets", NOTE, f"all {len(assets)} are fetched")
    with ThreadPoolExecutor() as pool:  # at once, since a hub that does not answer is waited for
        yield from pool.map(check_asset, missing)


def check_asset(asset):
    entry, key = asset["entry"], asset["key"]
    if entry["source"] != "hub":
        return Check(key, OK, f"to be fetched, source {entry['source']}")
    from lib.hub import accessible  # talks to the hub, and nothing else here does

    try:
        commit = accessible(entry["repository"], entry["revision"], asset["kind"], key)
    except InputError as error:
        return Check(key, FAILED, str(error).removeprefix(f"{key}: "))
    return Check(key, OK, f"{entry['repository']} can be read, at {commit[:8]}")


def duration(expected):
    return f"{60 * expected:.0f} minutes" if expected < 1.5 else f"{expected:.0f} hours"


if __name__ == "__main__":
    main()
