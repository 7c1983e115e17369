"""Downloads from the Hugging Face hub, or from the mirror that HF_ENDPOINT names.

The library's own snapshot_download throws the part of a file away when it is stopped or killed, and fetches large files by a second
protocol (Xet) that mirrors do not speak. Here each file is one plain request, whose part stays until the rest has come.
"""

import hashlib
import json
import os
import re
import shutil
import threading
import time
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

import httpx2
import huggingface_hub
from huggingface_hub import errors
from huggingface_hub.utils import WeakFileLock, build_hf_headers, get_session, hf_raise_for_status, parse_ratelimit_headers

from lib.asset_files import belongs_to_model
from lib.manifest import sha256
from lib.program import InputError, one_line, progress

FAILURES = (httpx2.HTTPError, OSError)
NO_HUB = (json.JSONDecodeError, httpx2.InvalidURL, httpx2.UnsupportedProtocol)
WAITS = (1, 2, 4, 8, 16)  # seconds before another attempt
SECONDS_BETWEEN_REPORTS = 10
WAYS_OUT = {  # by status
    401: "set HF_TOKEN to a token that is valid, or unset it; `hf auth logout` forgets a stored one",
    403: "set HF_TOKEN to a token with the right to read gated repositories that its account may read",
    429: "wait some minutes and run again: what has arrived is kept; with a token (HF_TOKEN) the hub allows more",
}


class WrongBytes(Exception):
    """A downloaded file is not what the hub says it is."""


def download(repository, revision, kind, patterns, key, folder, cache):
    """Put the files of a repository at `revision` into `folder`; returns the commit that the revision stands for.

    kind      models or datasets
    patterns  of a data set's files, beside its README; a model's are those that transformers reads, without pickles and code
    cache     downloads are kept there, so that one that was cut off goes on where it stopped
    """
    with _explained(repository, revision, kind, key):
        commit, files = _persistently(lambda: _listed(repository, revision, kind, patterns, key))
        store = cache / f"{kind}--{repository.replace('/', '--')}"
        store.mkdir(parents=True, exist_ok=True)
        total = sum(file.size for file in files)
        progress(f"downloading {repository} at {commit[:8]}: {len(files)} files, {total / 1e6:,.0f} MB")
        with _reports(repository, store, total):
            for file in files:
                url = huggingface_hub.hf_hub_url(repository, file.path, repo_type=kind.removesuffix("s"), revision=commit)
                _link(_stored(url, file, store), folder / file.path)
        return commit


def accessible(repository, revision, kind, key):
    """The commit that the revision stands for. Raises InputError if its files may not be read; nothing is downloaded."""
    with _explained(repository, revision, kind, key):
        return _persistently(lambda: _accessible(repository, revision, kind.removesuffix("s")))


def _accessible(repository, revision, repo_type):
    api = _api()
    api.auth_check(repository, repo_type=repo_type)
    return api.repo_info(repository, repo_type=repo_type, revision=revision).sha


def _api():
    _session()
    return huggingface_hub.HfApi()


def _session():
    """The library's session, whose requests to the interface would wait forever for a server that falls silent."""
    session = get_session()
    if _end_silence not in session.event_hooks["request"]:
        session.event_hooks["request"].append(_end_silence)
    return session


def _end_silence(request):
    request.extensions["timeout"] = httpx2.Timeout(huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT).as_dict()


@contextmanager
def _explained(repository, revision, kind, key):
    """Turn what the hub, the network or the mirror answers into one line."""
    _check_token()
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
    except errors.HFValidationError as error:
        raise InputError(f"{key}.repository: {repository} is no repository's name; expected owner/name; correct it") from error
    except WrongBytes as error:
        raise InputError(f"{key}: {error}, {len(WAITS) + 1} times; expected equal ones; try again later, or another HF_ENDPOINT") from error
    except NO_HUB as error:
        raise InputError(
            f"{key}: {_endpoint()} does not answer as a hub does ({_cause(error)}); expected the hub's API; "
            "correct HF_ENDPOINT, or log in to the network first"
        ) from error
    except FAILURES as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the network's
            raise
        status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
        raise InputError(
            f"{key}: {repository} could not be downloaded ({_cause(error)}); expected access to {_endpoint()}; "
            + WAYS_OUT.get(status, "check the network or HF_ENDPOINT, and run again: what has arrived is kept")
        ) from error


def _check_token():
    """Stop what no header can carry here, since the error that comes of it later shows the token."""
    if not re.fullmatch("[!-~]*", huggingface_hub.get_token() or ""):
        raise InputError("HF_TOKEN: found spaces or letters that no token has; expected hf_ and what follows it; copy it again")


def _listed(repository, revision, kind, patterns, key):
    """The commit that the revision stands for, and those of its files that are wanted."""
    api, repo_type = _api(), kind.removesuffix("s")
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
        wanted += [name for name in ("README.md",) if name in files and name not in wanted]
    return commit, [files[name] for name in wanted]


def _stored(url, file, store):
    """The path of a file's content in `store`, named by its checksum; what is missing of it is fetched."""
    content = store / _stated(file)
    part = content.with_suffix(".part")

    def attempt():
        if not content.exists():
            _fetch(url, part, file)
            part.rename(content)
        _check(content, file)

    with WeakFileLock(content.with_suffix(".lock")):
        _persistently(attempt, lambda: _bytes(part))
    return content


def _fetch(url, part, file):
    """Append to `part` what it lacks of the file."""
    if _bytes(part) > file.size:
        part.unlink()
    part.touch()
    have = _bytes(part)
    if have < file.size:
        headers = build_hf_headers() | ({"Range": f"bytes={have}-"} if have else {})
        with _session().stream("GET", url, headers=headers) as response, part.open("ab") as output:
            hf_raise_for_status(response)
            if response.status_code != 206:  # the whole file, from a server that knows no ranges
                output.truncate(0)
            for block in response.iter_bytes():
                output.write(block)
    if _bytes(part) < file.size:
        raise httpx2.ReadError(f"{file.path} ended after {_bytes(part)} of {file.size} bytes")


def _bytes(path):
    return path.stat().st_size if path.exists() else 0


def _persistently(attempt, arrived=lambda: 0):
    """Call `attempt` until it succeeds, after each of WAITS once more; what a wait cannot mend is raised at once.

    arrived  a number that grows while a download gets on; an attempt that brought something is not counted
    """
    waits, before = list(WAITS), arrived()
    while True:
        try:
            return attempt()
        except (*FAILURES, WrongBytes) as error:
            if not _passing(error):
                raise
            if arrived() > before:
                waits, before = list(WAITS), arrived()
            if not waits:
                raise
            wait = max(waits.pop(0), _asked_for(error))
            progress(f"{_cause(error)}; once more in {wait} s")
            time.sleep(wait)


def _asked_for(error):
    """Seconds to wait before the hub's limit of requests, which it counts in windows of minutes, lets others through."""
    limit = parse_ratelimit_headers(error.response.headers) if isinstance(error, errors.HfHubHTTPError) else None
    return limit.reset_in_seconds + 1 if limit and limit.remaining == 0 and error.response.status_code == 429 else 0


def _passing(error):
    """Whether an error may pass by itself: the server's own, too many requests, a broken connection."""
    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    if isinstance(error, OSError) and error.errno is not None:
        return False
    return not isinstance(error, (errors.OfflineModeIsEnabled, *NO_HUB))


def _cause(error):
    return one_line(error)[:300]


def _gated(repository, kind, key):
    page = f"{_endpoint()}/{'datasets/' if kind == 'datasets' else ''}{repository}"
    if huggingface_hub.get_token() is None:
        found, way_out = "no token was found", f"accept the licence at {page}, then set HF_TOKEN or run `hf auth login`"
    else:
        found, way_out = "the token's account may not read it", f"accept the licence at {page} with it, or set HF_TOKEN to another"
    return f"{key}: {repository} is gated and {found}; expected a token of an account that has accepted its licence; {way_out}"


def _endpoint():
    return huggingface_hub.constants.ENDPOINT


def _stated(file):
    """The checksum that the hub states: of a file's content if it is large, of its git object if it is small."""
    return file.lfs.sha256 if file.lfs else file.blob_id


def _check(path, file):
    """Compare content with the checksum that the hub states; wrong content is deleted."""
    if file.lfs:
        found = sha256(path)
    else:
        content = path.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if found != _stated(file):
        path.unlink()
        raise WrongBytes(f"{file.path} arrived with checksum {found}, the hub states {_stated(file)}")


def _link(source, target):
    """The file again under another name, without a copy where the file system can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
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
