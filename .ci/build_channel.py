"""Make a conda channel that has a Python and pip, from the Python that runs this and from wheels.

    python .ci/build_channel.py WHEELS CHANNEL

reads    WHEELS/*.whl     pip and what comes with it; pure Python
writes   CHANNEL/         packages and their index, for linux-64

It needs conda-package-handling.
"""

import hashlib
import json
import platform
import shutil
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

from conda_package_handling import api

BASE = Path(sys.base_prefix)
PYTHON = "python{}.{}".format(*sys.version_info)
LEFT_OUT = ("__pycache__", "site-packages", "test", "tests", "idlelib", "turtledemo", "ensurepip", "lib2to3", "config-*")
NEEDS = {"pip": ["setuptools", "wheel"], "wheel": ["packaging"]}
PIP = f"#!{BASE}/bin/{PYTHON}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n"


class Channel:
    def __init__(self, folder):
        self.folder, self.packages = folder, {}

    @contextmanager
    def package(self, name, version, build, depends):
        """An empty folder to be filled with the package's files; where they name this Python's prefix, they will name the environment's."""
        about = {"name": name, "version": version, "build": build, "build_number": 0, "depends": depends, "subdir": "linux-64"}
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "package"
            root.mkdir()
            yield root
            entries = [entry(root, path) for path in sorted(root.rglob("*")) if path.is_symlink() or path.is_file()]
            info = root / "info"
            info.mkdir()
            (info / "index.json").write_text(json.dumps(about))
            (info / "files").write_text("".join(f"{found['_path']}\n" for found in entries))
            (info / "paths.json").write_text(json.dumps({"paths": entries, "paths_version": 1}))
            (info / "about.json").write_text("{}")
            file = f"{name}-{version}-{build}.conda"
            (self.folder / "linux-64").mkdir(parents=True, exist_ok=True)
            api.create(str(root), None, file, str(self.folder / "linux-64"))
        content = (self.folder / "linux-64" / file).read_bytes()
        self.packages[file] = about | {"size": len(content), "sha256": sha256(content), "md5": hashlib.md5(content).hexdigest()}

    def write_index(self):
        for platform_, packages in (("linux-64", self.packages), ("noarch", {})):
            (self.folder / platform_).mkdir(exist_ok=True)
            index = {"info": {"subdir": platform_}, "packages": {}, "packages.conda": packages, "removed": [], "repodata_version": 1}
            (self.folder / platform_ / "repodata.json").write_text(json.dumps(index))


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def entry(root, path):
    """What conda wants to know of a package's file."""
    name = path.relative_to(root).as_posix()
    if path.is_symlink():
        return {"_path": name, "path_type": "softlink", "sha256": sha256(path.read_bytes()), "size_in_bytes": 0}
    content = path.read_bytes()
    found = {"_path": name, "path_type": "hardlink", "sha256": sha256(content), "size_in_bytes": len(content)}
    if b"\0" not in content and str(BASE).encode() in content:
        found |= {"file_mode": "text", "prefix_placeholder": str(BASE)}
    return found


def fill_with_python(root):
    for place in ("bin", "lib", "include"):
        (root / place).mkdir()
    shutil.copy2(BASE / "bin" / PYTHON, root / "bin")
    for link in ("python", "python3"):
        (root / "bin" / link).symlink_to(PYTHON)
    shutil.copytree(BASE / "lib" / PYTHON, root / "lib" / PYTHON, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (root / "lib" / PYTHON / "site-packages").mkdir()
    (root / "lib" / PYTHON / "site-packages" / "README.txt").touch()
    for library in (BASE / "lib").glob("libpython*.so*"):
        shutil.copy2(library, root / "lib", follow_symlinks=False)
    shutil.copytree(BASE / "include" / PYTHON, root / "include" / PYTHON)


def fill_with_wheel(root, wheel):
    site = root / "lib" / PYTHON / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    info = next(site.glob("*.dist-info"))
    (info / "INSTALLER").write_text("conda\n")
    with open(info / "RECORD", "a") as record:  # what is not in it stays behind when pip puts another version in its place
        record.write(f"{info.name}/INSTALLER,,\n")
    if wheel.name.startswith("pip-"):
        (root / "bin").mkdir()
        (root / "bin" / "pip").write_text(PIP)
        (root / "bin" / "pip").chmod(0o755)


def main(wheels, folder):
    channel = Channel(Path(folder))
    with channel.package("python", platform.python_version(), "0_cpython", []) as root:
        fill_with_python(root)
    for wheel in sorted(Path(wheels).glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        with channel.package(name, version, "py311_0", ["python 3.11.*", *NEEDS.get(name, [])]) as root:
            fill_with_wheel(root, wheel)
    channel.write_index()


if __name__ == "__main__":
    main(*sys.argv[1:])
