"""Real fetches from a hub on loopback: what arrives, what goes wrong on the way, and where a token must never be found."""

import hashlib
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lib.asset_files import belongs_to_model
from lib.manifest import files_of
from lib.random_models import make

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
import runs
from hub_server import Hub, corrupt, cut, no_ranges, portal, stall, status
from runs import ROOT, copy_of_project

MEMBER, STRANGER = (f"hf_{uuid.uuid4().hex}" for _ in range(2))  # tokens of accounts that accepted a gated model's licence, and did not
PAIRS = ROOT / "tests" / "data" / "pairs" / "data"
QUICK = (0, 0)
PROGRAM = "import sys, lib.hub, fetch; lib.hub.WAITS = {waits}; fetch.main(sys.argv[1:])"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The files of a model's repository, with some that a fetch leaves out."""
    folder = tmp_path_factory.mktemp("model")
    make("bert", folder, seed=4)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files | {"README.md": b"# Tiny\n", "LICENSE": b"", "pytorch_model.bin": b"pickle", "modeling.py": b"code", "onnx/a.json": b"{}"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """The files of a data set's repository."""
    folder, files = tmp_path_factory.mktemp("pairs"), {"README.md": b"# Pairs\n", "other/notes.txt": b"notes"}
    for split in ("train", "validation", "test"):
        pd.read_json(PAIRS / f"{split}.jsonl", lines=True).to_parquet(folder / "part.parquet", index=False)
        files[f"data/{split}-00000-of-00001.parquet"] = (folder / "part.parquet").read_bytes()
    return files


@pytest.fixture
def hub(model, pairs):
    hub = Hub()
    hub.members, hub.strangers = {MEMBER}, {STRANGER}
    hub.add("models", "org/tiny", model)
    hub.add("models", "org/gated", model, gated=True)
    hub.add("datasets", "org/pairs", pairs)
    yield hub
    hub.close()


class Fetch:
    """scripts/fetch.py against the hub, in a folder of its own."""

    def __init__(self, hub, folder):
        self.hub, self.folder, self.output, self.record = hub, folder, folder / "assets" / "tiny", folder / "assets" / "tiny.json"

    def environment(self, token=None, **more):
        loopback = self.hub.environment(self.folder / "home")
        return runs.environment(PYTHONPATH=str(ROOT / "scripts"), **loopback) | more | ({"HF_TOKEN": token} if token else {})

    def start(self, repository="org/tiny", revision="main", kind="models", files=None, token=None, waits=None, **environment):
        """`waits` seconds between attempts stand in for the real ones, where those would add up."""
        program = ["-c", PROGRAM.format(waits=waits)] if waits else [str(ROOT / "scripts" / "fetch.py")]
        entry = {"source": "hub", "repository": repository, "revision": revision, "files": files}
        command = [sys.executable, *program, "--name", "tiny", "--kind", kind, "--entry", json.dumps(entry)]
        command += ["--cache", "assets/.cache", "--output", self.output, "--provenance", self.record]
        own = self.environment(token, **environment)
        return subprocess.Popen([*map(str, command)], cwd=self.folder, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __call__(self, **options):
        """The provenance and the files that came: {path: bytes}."""
        run = self.start(**options)
        output, _ = run.communicate(timeout=60)
        assert run.returncode == 0, output
        return json.loads(self.record.read_text()), files_in(self.output)

    def refused(self, **options):
        """The one line that a refused fetch ends with."""
        run = self.start(**options)
        output, _ = run.communicate(timeout=60)
        assert run.returncode == 1, output
        assert "Traceback" not in output
        assert output.count("error:") == 1
        assert not [path for path in self.folder.glob("assets/*") if path.name != ".cache"], "something is left at the output path"
        return output.splitlines()[-1]


@pytest.fixture
def fetch(hub, tmp_path):
    return Fetch(hub, tmp_path)


def files_in(folder):
    """{path: content}, without hidden ones."""
    return {file.as_posix(): (folder / file).read_bytes() for file in files_of(folder)}


def wanted(model):
    return {name: content for name, content in model.items() if belongs_to_model(name)}


# ------------------------------------------------------------------ what arrives


def test_the_hub_here_speaks_as_the_libraries_expect(fetch, hub, model, pairs):
    """Their own downloads get the same from it, so that what our fetches meet here is what they meet at the hub."""
    program = """if True:
        import datasets, huggingface_hub, sys
        huggingface_hub.snapshot_download("org/gated", revision="main", local_dir="model")
        huggingface_hub.snapshot_download("org/pairs", repo_type="dataset", local_dir="pairs")
        print({split: len(rows) for split, rows in datasets.load_dataset("org/pairs", revision=sys.argv[1]).items()})
    """
    command = [sys.executable, "-c", program, hub.repositories["datasets", "org/pairs"]["commit"]]
    run = subprocess.run(command, cwd=fetch.folder, env=fetch.environment(MEMBER), text=True, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "{'train': 40, 'validation': 8, 'test': 8}\n"
    assert files_in(fetch.folder / "model") == model
    assert files_in(fetch.folder / "pairs") == pairs


def test_a_branch_is_fetched_and_its_commit_recorded(fetch, hub, model):
    record, files = fetch(revision="main")
    assert files == wanted(model)
    assert (record["revision"], record["resolved"]) == ("main", hub.repositories["models", "org/tiny"]["commit"])
    assert {file["path"]: file["sha256"] for file in record["files"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }


def test_a_data_set_is_fetched_by_its_commit_and_patterns(fetch, hub, pairs):
    commit = hub.repositories["datasets", "org/pairs"]["commit"]
    record, files = fetch(kind="datasets", repository="org/pairs", revision=commit, files=["data/*.parquet"])
    assert files == {name: content for name, content in pairs.items() if name != "other/notes.txt"}
    assert (record["revision"], record["resolved"]) == (commit, commit)


def test_what_has_arrived_is_not_asked_for_again(fetch, hub, model):
    fetch()
    before = len(hub.requests("/resolve/"))
    _, files = fetch()
    assert files == wanted(model)
    assert len(hub.requests("/resolve/")) == before


def test_the_token_goes_to_the_hub_and_no_further(fetch, hub, model):
    _, files = fetch(repository="org/gated", token=MEMBER)
    assert files == wanted(model)
    hub_port, content_port = (server.server_port for server in hub.servers)
    assert {(request["port"], request["authorization"]) for request in hub.requests("/org/gated/resolve/")} == {
        (hub_port, f"Bearer {MEMBER}")
    }
    assert {request["authorization"] for request in hub.seen if request["port"] == content_port} == {None}
    assert_nowhere(MEMBER, fetch.folder)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"repository": "org/gated"},
            "models.tiny: org/gated is gated and no token was found; expected a token of an account that has accepted its licence; "
            "accept the licence at {hub}/org/gated, then set HF_TOKEN or run `hf auth login`",
        ),
        (
            {"repository": "org/gated", "token": STRANGER},
            "models.tiny: org/gated is gated and the token's account may not read it; expected a token of an account that has accepted "
            "its licence; accept the licence at {hub}/org/gated with it, or set HF_TOKEN to another",
        ),
        ({"repository": "org/gated", "token": "hf_revoked"}, "set HF_TOKEN to a token that is valid, or unset it"),
        ({"token": "hf_with\u200cjoiner"}, "HF_TOKEN: found spaces or letters that no token has"),
        ({"token": "hf_with\x0bcontrol"}, "HF_TOKEN: found spaces or letters that no token has"),
        ({"revision": "v9"}, "models.tiny.revision: org/tiny has no revision v9; expected a commit, branch or tag"),
        ({"repository": "org/tyni"}, "models.tiny.repository: the hub has no org/tyni, or it is private"),
        ({"repository": "org/tyni", "token": MEMBER}, "models.tiny.repository: the hub has no org/tyni, or it is private"),
        ({"repository": "org/ti..ny"}, "models.tiny.repository: org/ti..ny is no repository's name"),
    ],
)
def test_a_refusal_is_one_line_at_once(fetch, hub, options, words):
    start = time.monotonic()
    message = fetch.refused(**options)
    assert words.format(hub=hub.url) in message
    assert time.monotonic() - start < 10
    if "token" in options:
        assert options["token"] not in message
        assert_nowhere(options["token"], fetch.folder)


# ------------------------------------------------------------------ bad networks


@pytest.mark.parametrize(
    ("path", "fault", "times"),
    [
        ("/resolve/", status(503), 2),
        ("/revision/", status(503), 1),
        ("/tree/", status(429), 1),
        ("/model.safetensors", status(429, RateLimit='"resolvers";r=0;t=0'), 1),
        ("/model.safetensors", corrupt, 1),
        ("/config.json", corrupt, 1),
    ],
    ids=["503 twice", "503 for the commit", "429 for the tree", "429 with a time", "wrong bytes, large", "wrong bytes, small"],
)
def test_what_passes_is_waited_for(fetch, hub, model, path, fault, times):
    hub.fail(path, fault, times)
    _, files = fetch()
    assert files == wanted(model)
    assert not hub.faults


def ranges(hub):
    return [request["range"] for request in hub.requests("/model.safetensors") if request["port"] == hub.servers[1].server_port]


def test_a_connection_cut_in_the_middle_of_a_file_goes_on_there(fetch, hub, model):
    hub.fail(f"{checksum(model)}/model.safetensors", cut(50_000))
    _, files = fetch()
    assert files == wanted(model)
    assert ranges(hub) == [None, "bytes=50000-"]


def test_one_that_is_cut_again_and_again_but_gets_on_arrives(fetch, hub, model):
    def a_little(handler, content):
        start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
        handler.answer(206 if start else 200, content[start:], after=9_000)

    hub.fail(f"{checksum(model)}/model.safetensors", a_little, times=2 * len(QUICK) + 2)
    _, files = fetch(waits=QUICK)
    assert files == wanted(model)
    assert ranges(hub) == [None, *(f"bytes={9_000 * count}-" for count in range(1, 2 * len(QUICK) + 3))]


@pytest.mark.parametrize("path", ["/revision/", "/tree/", "/config.json", "/model.safetensors"])
def test_a_server_that_falls_silent_is_asked_again(fetch, hub, model, path):
    hub.fail(path, stall(300))
    _, files = fetch(waits=QUICK, HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert files == wanted(model)
    assert not hub.faults


def test_a_killed_fetch_goes_on_from_its_part_file(fetch, hub, model):
    hub.fail(f"{checksum(model)}/model.safetensors", stall(60_000))
    run, part, deadline = fetch.start(), lambda: list(fetch.folder.glob("assets/.cache/hub/**/*.part")), time.monotonic() + 30
    while not (part() and part()[0].name.startswith(checksum(model)) and part()[0].stat().st_size > 40_000):
        assert time.monotonic() < deadline, "the part file did not grow"
        time.sleep(0.02)
    run.kill()
    run.communicate()
    have = part()[0].stat().st_size
    assert not fetch.output.exists()
    record, files = fetch()
    assert ranges(hub) == [None, f"bytes={have}-"]
    assert files == wanted(model)
    assert {file["path"]: file["sha256"] for file in record["files"]}["model.safetensors"] == checksum(model)
    assert not part()


@pytest.mark.parametrize("found", [b"x" * 1000, b"x" * 10_000_000], ids=["wrong", "too long"])
def test_a_part_file_of_something_else_is_thrown_away(fetch, hub, model, found):
    store = fetch.folder / "assets" / ".cache" / "hub" / "models--org--tiny"
    store.mkdir(parents=True)
    (store / f"{checksum(model)}.part").write_bytes(found)
    _, files = fetch(waits=QUICK)
    assert files == wanted(model)


def test_a_server_without_ranges_sends_the_whole_file(fetch, hub, model):
    hub.fail(f"{checksum(model)}/model.safetensors", cut(50_000))
    hub.fail(f"{checksum(model)}/model.safetensors", no_ranges)
    _, files = fetch(waits=QUICK)
    assert files == wanted(model)
    assert ranges(hub) == [None, "bytes=50000-"]


@pytest.mark.parametrize(
    ("path", "fault", "words"),
    [
        ("/resolve/", status(503), "org/tiny could not be downloaded (Server error '503"),
        (
            "/resolve/",
            status(429),
            "wait some minutes and run again: what has arrived is kept; with a token (HF_TOKEN) the hub allows more",
        ),
        ("/model.safetensors", corrupt, "models.tiny: model.safetensors arrived with checksum"),
        ("/model.safetensors", cut(0), "check the network or HF_ENDPOINT, and run again: what has arrived is kept"),
        ("/api/", portal, "does not answer as a hub does"),
        ("/model.safetensors", status(403), "set HF_TOKEN to a token with the right to read gated repositories"),
    ],
    ids=["503", "429", "wrong bytes", "cut", "a page to log in at", "403"],
)
def test_what_does_not_pass_is_one_line(fetch, hub, path, fault, words):
    hub.fail(path, fault, times=20)
    assert words in fetch.refused(waits=QUICK)


def test_a_hub_that_is_not_there(fetch, hub):
    hub.close()
    message = fetch.refused(waits=QUICK)
    assert "org/tiny could not be downloaded" in message
    assert f"expected access to {hub.url}" in message


def checksum(files):
    return hashlib.sha256(files["model.safetensors"]).hexdigest()


# ------------------------------------------------------------------ the workflow


def assert_nowhere(token, *folders):
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                assert token.encode() not in path.read_bytes(), path


def test_a_run_with_a_gated_model(fetch, hub, model):
    """Refused before anything is fetched; with a token fetched, and then off the network; the token is written nowhere."""
    commit = hub.repositories["datasets", "org/pairs"]["commit"]
    entries = {
        "models": {
            "roberta_large": {"source": "hub", "repository": "org/gated", "revision": "main", "architecture": None, "seed": None},
        },
        "datasets": {
            "cnn_dailymail": {"source": "hub", "repository": "org/pairs", "revision": commit, "files": ["data/*.parquet"], "path": None},
        },
    }
    project = fetch.folder / "project"
    project.mkdir()
    copy_of_project(project)
    (project / "hub.yaml").write_text(yaml.safe_dump(entries))

    def snakemake(*targets, token=None):
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "presets/smoke.yaml", "hub.yaml"]
        run = subprocess.run(
            [*command, "--show-failed-logs", "--", *targets],
            cwd=project, env=fetch.environment(token), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        return run.returncode, run.stdout

    targets = ["preflight", *(f"results/smoke/assets/{name}.json" for name in ("roberta_large", "cnn_dailymail"))]
    code, output = snakemake(*targets)
    assert code != 0
    assert "models.roberta_large: org/gated is gated and no token was found; expected a token of an account" in output
    assert f"accept the licence at {hub.url}/org/gated, then set HF_TOKEN" in output
    assert not hub.requests("/resolve/")
    assert not list(project.glob("assets/*/"))

    code, output = snakemake(*targets, token=MEMBER)
    assert code == 0, output[-4000:]
    assert files_in(project / "assets" / "roberta_large" / "main") == wanted(model)
    for name in ("roberta_large", "cnn_dailymail"):
        assert json.loads((project / "results" / "smoke" / "assets" / f"{name}.json").read_text())["source"] == "hub"

    seen = len(hub.seen)
    code, output = snakemake("results/smoke/summarization/test.parquet", token=MEMBER)
    assert code == 0, output[-4000:]
    assert len(pd.read_parquet(project / "results" / "smoke" / "summarization" / "test.parquet")) == 6
    assert len(hub.seen) == seen, "a rule after the fetch asked the hub"
    assert MEMBER not in output
    assert (project / ".snakemake" / "metadata").is_dir()
    assert_nowhere(MEMBER, fetch.folder)
