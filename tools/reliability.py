"""Write into docs/reliability.md what a part of the long proofs found, or say how old that page is.

    make soak
    python tools/reliability.py results/soak/demo_again.xml
    make soak-age

reads    results/soak/PART.xml    pytest's record of a part of the proofs, all of them passed
writes   docs/reliability.md      a section for each module of the proofs; those of other parts stay as they are
"""

import argparse
import datetime
import os
import platform
import re
import sys
import xml.etree.ElementTree as xml
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from lib.commit import commit, short  # noqa: E402
from lib.machine import memory_bytes, processor  # noqa: E402

PAGE = ROOT / "docs" / "reliability.md"
HEAD = """# What it survived

Written by `make soak`, part by part: a section says when, of which commit and on which machine its proofs have all passed. Times are
minutes of the proof itself.
"""
SECTION = """
## {title}

{date}, commit {commit}: {cores} cores of {processor}, {gigabytes:.0f} GiB of memory, Python {python}, torch {torch}, Snakemake {snakemake}.

| proof | found | minutes |
|---|---|--:|
"""
SECTIONS = re.compile(r"^## (.+)\n\n(\d{4}-\d\d-\d\d), commit (\w+\+?)", re.M)


def main():
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("record", type=Path, nargs="?")
    command.add_argument("--age", type=Path, nargs="+", metavar="PROOFS", help="say how old the page is that these make, and write nothing")
    args = command.parse_args()
    if bool(args.record) == bool(args.age):
        command.error("expected a record or --age")
    print(age(args.age) if args.age else write(args.record))


def write(record):
    """Write the sections of a record's modules into the page, and return its path."""
    proofs = list(read_proofs(record))
    if not proofs or not all(passed for *_, passed in proofs):
        sys.exit(f"error: {record}: found a proof that failed or was skipped; expected all to pass; run make soak-{record.stem}")
    sections = old_sections() | new_sections(proofs)
    PAGE.write_text(HEAD + "".join(sections.values()), encoding="utf-8")
    return PAGE.relative_to(ROOT)


def old_sections():
    """{title: text} of the page as it is."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    starts = [match.start() - 1 for match in SECTIONS.finditer(text)]
    ends = [*starts, len(text)][1:]
    return {SECTIONS.search(text, start)[1]: text[start:end] for start, end in zip(starts, ends, strict=True)}


def new_sections(proofs):
    here, sections = circumstances(), {}
    for module, *row in rows(proofs):
        sections.setdefault(module, SECTION.format(title=module, **here))
        sections[module] += f"| {' | '.join(row)} |\n"
    return sections


def age(proofs):
    """A line: which of the page's sections is the oldest, of which commit and date, and how many days ago; which modules have none."""
    found = SECTIONS.findall(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else []
    if not found:
        return f"{PAGE.relative_to(ROOT)}: not there; the long proofs (make soak) have not passed yet"
    title, date, of = min(found, key=lambda section: section[1])
    days = (datetime.date.today() - datetime.date.fromisoformat(date)).days
    missing = sorted({title_of(path.stem) for path in proofs} - {section[0] for section in found})
    said = f"{PAGE.relative_to(ROOT)}: the oldest of its {len(found)} sections, {title}, is of commit {of}, {date}, {days} days ago"
    return f"{said}; not there: {', '.join(missing)}" if missing else said


def title_of(module):
    return module.removeprefix("test_").replace("_", " ")


def read_proofs(record):
    """(module, name, minutes, what it found or None, whether it passed) of each test on record; minutes include what it needed first."""
    for case in xml.parse(record).iter("testcase"):
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
        yield title_of(module), title, found, f"{sum(minutes for minutes, _ in cases):.1f}"


def circumstances():
    """Of this machine and this checkout; a commit with + has changes, beside the page, that are not committed."""
    return {
        "date": datetime.date.today().isoformat(),
        "commit": short(commit(ROOT), besides=[str(PAGE.relative_to(ROOT))]),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "gigabytes": memory_bytes() / 2**30,
        "python": platform.python_version(),
        "torch": version("torch"),
        "snakemake": version("snakemake"),
    }


if __name__ == "__main__":
    main()
