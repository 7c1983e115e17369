"""Downloads from the hub: which files, what is tried again, and the one line for each failure."""

import hashlib
from contextlib import contextmanager
from types import SimpleNamespace
from urllib.parse import unquote

import httpx2
import pytest
from huggingface_hub import errors

import lib.hub
from lib.hub import download
from lib.program import InputError

COMMIT = "a" * 40
FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "tokenizer.json": b"{}",
    "vocab.txt": b"a",
    "README.md": b"card",
    "pytorch_model.bin": b"pickle",
    "modeling_tiny.py": b"code",
    "onnx/config.json": b"{}",
    "data/train[1].parquet": b"rows",
    "data/train1.parquet": b"other rows",
}
MODEL_FILES = {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt", "README.md"}


class Hub:
    """The hub's answers. `broken`: errors to raise, one a request, before it works; `content`: what arrives instead of a file's bytes."""

    def __init__(self):
        self.files, self.broken, self.content, self.calls, self.event_hooks = dict(FILES), [], {}, 0, {"request": []}

    def repo_info(self, repository, repo_type, revision):
        return SimpleNamespace(sha=COMMIT)

    def list_repo_tree(self, repository, repo_type, revision, recursive):
        assert revision == COMMIT
        for name, content in self.files.items():
            large = name.endswith((".safetensors", ".parquet"))
            yield lib.hub.huggingface_hub.hf_api.RepoFile(
                path=name,
                size=len(content),
                oid=hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
                lfs={"size": len(content), "oid": hashlib.sha256(content).hexdigest(), "pointerSize": 1} if large else None,
            )

    @contextmanager
    def stream(self, method, url, headers):
        self.calls += 1
        if self.broken:
            raise self.broken.pop(0)
        name = unquote(url.split(f"/resolve/{COMMIT}/")[1])
        yield httpx2.Response(200, content=self.content.pop(name, self.files[name]), request=httpx2.Request(method, url))


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setattr(lib.hub.huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr(lib.hub, "get_session", lambda: hub)
    monkeypatch.setattr(lib.hub.huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(lib.hub, "WAITS", (0, 0))
    return hub


@pytest.fixture
def get(hub, tmp_path):
    def call(kind="models", patterns=None):
        folder = tmp_path / "folder"
        commit = download("org/tiny", "main", kind, patterns, f"{kind}.tiny", folder, tmp_path / "cache")
        assert commit == COMMIT
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    return call


def answer(status):
    return httpx2.Response(status, request=httpx2.Request("GET", "https://hub/file"))


def busy():
    return errors.HfHubHTTPError("503 Server Error", response=answer(503))


def test_a_model_comes_without_pickles_code_and_other_formats(get):
    assert get() == {name: FILES[name] for name in MODEL_FILES}


def test_a_data_set_comes_by_its_patterns_with_its_readme(get):
    assert set(get("datasets", ["data/*1.parquet"])) == {"data/train1.parquet", "README.md"}


def test_brackets_in_a_name_are_no_pattern(get, hub):
    hub.files["data/train1.parquet"] = b"must not come"
    del hub.files["README.md"]
    assert set(get("datasets", ["data/*]*"])) == {"data/train[1].parquet"}


@pytest.mark.parametrize("error", [busy(), httpx2.ConnectError("cut off"), httpx2.ReadTimeout("nothing came")])
def test_what_may_pass_is_tried_again(get, hub, error):
    hub.broken = [error, error]
    assert set(get()) == MODEL_FILES
    assert hub.calls == len({FILES[name] for name in MODEL_FILES}) + 2


def test_wrong_bytes_are_fetched_again(get, hub):
    hub.content = {"model.safetensors": b"wEights", "config.json": b"[]"}
    assert get() == {name: FILES[name] for name in MODEL_FILES}


def test_wrong_bytes_that_stay_wrong(get, hub, tmp_path):
    class Always(dict):
        def pop(self, name, default):
            return b"wEights" if name == "model.safetensors" else default

    hub.content = Always()
    with pytest.raises(InputError, match=r"model.safetensors arrived with checksum .*, the hub states .*, 3 times"):
        get()
    stored = {path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock" and path.is_file()}
    assert b"wEights" not in stored


@pytest.mark.parametrize(
    "error, token, words",
    [
        (errors.GatedRepoError("401", response=answer(401)), None, ["is gated and no token was found", "/org/tiny, then set HF_TOKEN"]),
        (errors.GatedRepoError("403", response=answer(403)), "hf_secret", ["account may not read it", "accept the licence at"]),
        (errors.RepositoryNotFoundError("401", response=answer(401)), None, ["models.tiny.repository: the hub has no org/tiny"]),
        (errors.RevisionNotFoundError("404", response=answer(404)), None, ["models.tiny.revision: org/tiny has no revision main"]),
        (errors.OfflineModeIsEnabled("offline"), None, ["HF_HUB_OFFLINE is set"]),
    ],
)
def test_what_no_wait_mends_is_said_at_once(get, hub, monkeypatch, error, token, words):
    monkeypatch.setattr(lib.hub.huggingface_hub, "get_token", lambda: token)
    hub.broken = [error]
    with pytest.raises(InputError) as raised:
        get()
    assert hub.calls == 1
    assert all(word in str(raised.value) for word in words)
    assert "hf_secret" not in str(raised.value)


def test_a_server_that_stays_down(get, hub):
    hub.broken = [busy() for _ in range(9)]
    with pytest.raises(InputError, match="org/tiny could not be downloaded .*503.*check the network or HF_ENDPOINT"):
        get()
    assert hub.calls == 3


def test_a_limit_of_requests_is_waited_out(get, hub, monkeypatch):
    slept, limit = [], {"RateLimit": '"resolvers";r=0;t=42', "RateLimit-Policy": '"fixed window";"resolvers";q=3000;w=300'}
    monkeypatch.setattr(lib.hub.time, "sleep", slept.append)
    refused = httpx2.Response(429, headers=limit, request=httpx2.Request("GET", "https://hub/file"))
    hub.broken = [errors.HfHubHTTPError("429 Too Many Requests", response=refused)]
    assert set(get()) == MODEL_FILES
    assert slept == [43]


def test_a_changed_file_in_the_cache_is_fetched_again(get, hub, tmp_path):
    get()
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file() and path.read_bytes() == b"weights":
            path.write_bytes(b"edited!")
    assert get() == {name: FILES[name] for name in MODEL_FILES}


def test_a_full_disk_is_no_matter_of_the_network(get, hub):
    hub.broken = [OSError(28, "No space left on device")]
    with pytest.raises(OSError, match="No space left"):
        get()
    assert hub.calls == 1


def test_a_model_without_safetensors(get, hub):
    del hub.files["model.safetensors"]
    with pytest.raises(InputError, match=r"models.tiny: org/tiny has no \*.safetensors at main"):
        get()
    assert hub.calls == 0


def test_patterns_that_fit_nothing(get, hub):
    with pytest.raises(InputError, match=r"datasets.tiny.files: no file of org/tiny at main fits rows/\*"):
        get("datasets", ["rows/*"])


def test_access_is_asked_for_without_a_download(monkeypatch):
    asked = []

    class Api:
        def auth_check(self, repository, repo_type):
            asked.append((repository, repo_type))

        def repo_info(self, repository, repo_type, revision):
            return SimpleNamespace(sha=COMMIT)

    monkeypatch.setattr(lib.hub.huggingface_hub, "HfApi", Api)
    assert lib.hub.accessible("o/n", "main", "datasets", "datasets.x") == COMMIT
    assert asked == [("o/n", "dataset")]


def test_access_that_is_refused_is_one_line(monkeypatch):
    class Api:
        def auth_check(self, repository, repo_type):
            raise errors.GatedRepoError("403", response=httpx2.Response(403, request=httpx2.Request("GET", "https://hub.example")))

    monkeypatch.setattr(lib.hub.huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(lib.hub.huggingface_hub, "get_token", lambda: None)
    with pytest.raises(InputError, match="models.llama: o/n is gated and no token was found; .*/o/n, then set HF_TOKEN"):
        lib.hub.accessible("o/n", "main", "models", "models.llama")
