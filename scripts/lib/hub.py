"""Downloads from the Hugging Face hub, or from the mirror that HF_ENDPOINT names."""

import hashlib
import os
import shutil
import threading
import time
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

import httpx2
import huggingface_hub
from huggingface_hub import errors

from lib.asset_files import belongs_to_model, sha256
from lib.program import InputError, one_line, progress

# the library raises a bare OSError where the size of a file is not the announced one
FAILURES = (httpx2.HTTPError, errors.XetDownloadError, OSError)
WAITS = (1, 2, 4, 8, 16)  # seconds before another attempt
SECONDS_BETWEEN_REPORTS = 10


class WrongBytes(Exception):
    """A downloaded file is not what the hub says it is."""


def download(repository, revision, kind, patterns, key, folder, cache):
    """Put the files of a repository at `revision` into `folder`; returns the commit that the revision stands for.

    kind      models or datasets
    patterns  of a data set's files, beside its README; a model's are those that transformers reads, without pickles and code
    cache     downloads are kept there, so that one that was cut off goes on where it stopped
    """
    with _explained(repository, revision, kind, key):
        return _persistently(lambda: _download(repository, revision, kind, patterns, key, folder, cache))


def accessible(repository, revision, kind, key):
    """The commit that the revision stands for. Raises InputError if its files may not be read; nothing is downloaded."""
    with _explained(repository, revision, kind, key):
        return _persistently(lambda: _accessible(repository, revision, kind.removesuffix("s")))


def _accessible(repository, revision, repo_type):
    api = huggingface_hub.HfApi()
    api.auth_check(repository, repo_type=repo_type)
    return api.repo_info(repository, repo_type=repo_type, revision=revision).sha


@contextmanager
def _explained(repository, revision, kind, key):
    """Turn what the hub, the network or the mirror answers into one line."""
    try:
        yield
    except errors.GatedRepoError as error:
        raise InputError(_gated(repository, kind, key)) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{key}.repository: the hub has no {repository}, or it is private; expected owner/name of a repository that can be read; "
            "correct the name, or set HF_TOKEN to a token that may read it"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(
            f"{key}.revision: {repository} has no revision {revision}; expected a commit, branch or tag; correct it"
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise InputError(f"{key}: HF_HUB_OFFLINE is set; expected access to the hub; unset it, or name a source other than hub") from error
    except WrongBytes as error:
        raise InputError(f"{key}: {error}, {len(WAITS) + 1} times; expected equal ones; try again later, or another HF_ENDPOINT") from error
    except FAILURES as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the network's
            raise
        raise InputError(
            f"{key}: {repository} could not be downloaded ({_cause(error)}); expected access to {_endpoint()}; "
            "check the network or HF_ENDPOINT, and run again: what has arrived is kept"
        ) from error


def _download(repository, revision, kind, patterns, key, folder, cache):
    api = huggingface_hub.HfApi()
    repo_type = kind.removesuffix("s")
    commit = api.repo_info(repository, repo_type=repo_type, revision=revision).sha
    tree = api.list_repo_tree(repository, repo_type=repo_type, revision=commit, recursive=True)
    files = {entry.path: entry for entry in tree if isinstance(entry, huggingface_hub.hf_api.RepoFile)}
    if kind == "models":
        wanted = [name for name in files if belongs_to_model(name)]
        if not any(name.endswith(".safetensors") for name in wanted):
            raise InputError(
                f"{key}: {repository} has no *.safetensors at {revision}; expected weights in that form; name another revision"
            )
    else:
        wanted = [name for name in files if any(fnmatch(name, pattern) for pattern in patterns)]
        if not wanted:
            raise InputError(f"{key}.files: no file of {repository} at {revision} fits {', '.join(patterns)}; correct the patterns")
        wanted += [name for name in ("README.md",) if name in files]
    total = sum(files[name].size for name in wanted)
    progress(f"downloading {repository} at {commit[:8]}: {len(wanted)} files, {total / 1e6:,.0f} MB")
    with _reports(repository, cache, total):
        snapshot = huggingface_hub.snapshot_download(
            repository, repo_type=repo_type, revision=commit, cache_dir=cache, allow_patterns=[_literally(name) for name in wanted]
        )
    for name in wanted:
        source = Path(snapshot, name)
        _check(source, files[name])
        _link(source, folder / name)
    return commit


def _persistently(attempt):
    """Call `attempt` until it succeeds, after each of WAITS once more; what a wait cannot mend is raised at once."""
    for wait in WAITS:
        try:
            return attempt()
        except (*FAILURES, WrongBytes) as error:
            if not _passing(error):
                raise
            progress(f"{_cause(error)}; once more in {wait} s")
            time.sleep(wait)
    return attempt()


def _passing(error):
    """Whether an error may pass by itself: the server's own, too many requests, a broken connection."""
    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    if isinstance(error, OSError) and error.errno is not None:
        return False
    return not any(isinstance(one, errors.OfflineModeIsEnabled) for one in (error, error.__cause__))


def _cause(error):
    return one_line(error.__cause__ or error)[:300]


def _gated(repository, kind, key):
    page = f"{_endpoint()}/{'datasets/' if kind == 'datasets' else ''}{repository}"
    if huggingface_hub.get_token() is None:
        found, way_out = "no token was found", f"accept the licence at {page}, then set HF_TOKEN or run `hf auth login`"
    else:
        found, way_out = "the token's account may not read it", f"accept the licence at {page} with it, or set HF_TOKEN to another"
    return f"{key}: {repository} is gated and {found}; expected a token of an account that has accepted its licence; {way_out}"


def _endpoint():
    return huggingface_hub.constants.ENDPOINT


def _literally(name):
    """A pattern that fits this name only."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _check(path, entry):
    """Compare a file with the checksum that the hub states: of its content if it is large, of its git object if it is small."""
    if entry.lfs:
        found, expected = sha256(path), entry.lfs.sha256
    else:
        content = path.read_bytes()
        found, expected = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), entry.blob_id
    if found != expected:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise WrongBytes(f"{entry.path} arrived with checksum {found}, the hub states {expected}")


def _link(source, target):
    """The file again under another name, without a copy where the file system can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _reports(what, cache, total):
    """While this is open, say every few seconds how much has arrived in `cache`."""
    before, done = _size(cache), threading.Event()

    def report():
        while not done.wait(SECONDS_BETWEEN_REPORTS):
            progress(f"{what}: {(_size(cache) - before) / 1e6:,.0f} of {total / 1e6:,.0f} MB")

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _size(folder):
    total = 0
    for file in Path(folder).rglob("*"):
        with suppress(FileNotFoundError):  # a part file gets its final name at any moment
            total += file.lstat().st_size
    return total
