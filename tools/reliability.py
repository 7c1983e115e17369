"""Write docs/reliability.md from what the long proofs found, or say how old that page is.

    make soak
    python tools/reliability.py --age

reads    results/soak.xml         pytest's record of the proofs, all of them passed
writes   docs/reliability.md
"""

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD, PAGE = ROOT / "results" / "soak.xml", ROOT / "docs" / "reliability.md"
HEAD = """# What it survived

Written by `make soak`: {date}, commit {commit}, {cores} cores, {gigabytes:.0f} GiB of memory, Python {python}, torch {torch}, Snakemake
{snakemake}. The page is written only when every proof has passed. Times are minutes of the proof itself, on that machine.

| of | proof | found | minutes |
|---|---|---|--:|
"""


def main():
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--age", action="store_true", help="say how old the page is, and write nothing")
    print(age() if command.parse_args().age else write())


def write():
    """Write the page, and return its path."""
    proofs = list(read_proofs())
    if not proofs or not all(passed for *_, passed in proofs):
        sys.exit(f"error: {RECORD.relative_to(ROOT)}: found a proof that failed or was skipped; expected all to pass; run make soak")
    PAGE.write_text(HEAD.format(**circumstances()) + "".join(f"| {' | '.join(row)} |\n" for row in rows(proofs)), encoding="utf-8")
    return PAGE.relative_to(ROOT)


def age():
    """A line: of which commit and date the page is, and how many days ago."""
    found = PAGE.is_file() and re.search(r"`make soak`: (\d{4}-\d\d-\d\d), commit (\w+)", PAGE.read_text(encoding="utf-8"))
    if not found:
        return f"{PAGE.relative_to(ROOT)}: not there; the long proofs (make soak) have not passed yet"
    date, commit = found.groups()
    days = (datetime.date.today() - datetime.date.fromisoformat(date)).days
    return f"{PAGE.relative_to(ROOT)}: of commit {commit}, {date}, {days} days ago"


def read_proofs():
    """(module, name, minutes, what it found or None, whether it passed) of each test on record; minutes include what it needed first."""
    for case in xml.parse(RECORD).iter("testcase"):
        found = next((node.get("value") for node in case.iter("property") if node.get("name") == "found"), None)
        passed = not any(case.find(kind) is not None for kind in ("failure", "error", "skipped"))
        yield case.get("classname").split(".")[-1], case.get("name"), float(case.get("time")) / 60, found, passed


def rows(proofs):
    """What the page says of each test; of one with many cases, how many they are."""
    tests = defaultdict(list)
    for module, name, minutes, found, _ in proofs:
        tests[module, name.split("[")[0]].append((minutes, found))
    for (module, name), cases in tests.items():
        title = name.removeprefix("test_").replace("_s_", "'s ").replace("_", " ")
        found = next((found for _, found in cases if found), f"{len(cases)} cases" if len(cases) > 1 else "as it says")
        yield module.removeprefix("test_").replace("_", " "), title, found, f"{sum(minutes for minutes, _ in cases):.1f}"


def circumstances():
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, check=True, text=True, capture_output=True)
    return {
        "date": datetime.date.today().isoformat(),
        "commit": git.stdout.strip(),
        "cores": len(os.sched_getaffinity(0)),
        "gigabytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "python": platform.python_version(),
        "torch": version("torch"),
        "snakemake": version("snakemake"),
    }


if __name__ == "__main__":
    main()
