"""Resolve requirements*.in with pip and write the pins to requirements*.txt, and into the pip: sections of envs/*.yaml.

    python tools/lock.py

reads    requirements.in, requirements-test.in, envs/*.in    what is asked for
writes   requirements.txt         every package that the workflow needs, pinned
         requirements-test.txt    what the tests need besides
         envs/*.yaml              the same pins, those that the env's own .in file needs

torch is written without a local version (+cpu), and the CUDA packages that the index's build brings are left out: which build is
installed is the reader's choice (README).
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CUDA = re.compile(r"^(nvidia-|cuda-|triton$)")
HEAD = "# Written by tools/lock.py (make lock); edit {source} instead.\n"


def resolve(*options):
    """{name: version} of everything that pip would install, canonical names, sorted."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--use-pep517"]
    command = [*pip, "--dry-run", "--ignore-installed", "--report", "-", *options]
    report = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT).stdout
    found = [package["metadata"] for package in json.loads(report)["install"]]
    pins = {re.sub(r"[-_.]+", "-", package["name"]).lower(): package["version"].split("+")[0] for package in found}
    return {name: version for name, version in sorted(pins.items()) if not CUDA.match(name)}


def lines(pins):
    return [f"{name}=={version}" for name, version in pins.items()]


def write_lock(target, source, pins):
    (ROOT / target).write_text(HEAD.format(source=source) + "\n".join(lines(pins)) + "\n")


def write_env(path, pins):
    text = HEAD.format(source=path.name) + "channels: [conda-forge, nodefaults]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n"
    path.with_suffix(".yaml").write_text(text + "".join(f"      - {line}\n" for line in lines(pins)))


def main():
    locked = resolve("-r", "requirements.in")
    write_lock("requirements.txt", "requirements.in", locked)
    both = resolve("-c", "requirements.txt", "-r", "requirements.in", "-r", "requirements-test.in")
    write_lock("requirements-test.txt", "requirements-test.in", {name: version for name, version in both.items() if name not in locked})
    for source in sorted((ROOT / "envs").glob("*.in")):
        write_env(source, resolve("-c", "requirements.txt", "-r", str(source.relative_to(ROOT))))


if __name__ == "__main__":
    main()
