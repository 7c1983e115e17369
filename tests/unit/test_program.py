"""What every script does alike: whatever goes wrong is one line and an exit code, and nothing half-written."""

import errno

import pytest

from lib.asset_files import check_model
from lib.program import InputError, model_folder, parser, program
from lib.publish import whole
from lib.records import read_parquet


def failing(error):
    @program
    def main(argv=None):
        raise error

    with pytest.raises(SystemExit) as stop:
        main([])
    return stop.value.code


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),  # as safetensors says it
        RuntimeError("Error while serializing: I/O error: Disk quota exceeded (os error 122)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file data/0: file write failed"),
    ],
)
def test_a_full_disk_is_one_line_whoever_meets_it(error):
    assert (
        failing(error)
        == "error: the disk: no space left; expected room for what is written; free some, or move results/ and assets/ to a larger disk"
    )


def test_a_full_disk_is_named_by_where_was_written():
    assert failing(OSError(errno.ENOSPC, "No space left", "source", None, "target")).startswith("error: target: no space left")


def test_other_errors_stay_as_they_are():
    @program
    def main(argv=None):
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        main([])


def test_a_wrong_argument_is_one_line(tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    command = parser("what it does")
    command.add_argument("--model", type=model_folder)
    with pytest.raises(SystemExit) as stop:
        command.parse_args(["--model", str(tmp_path)])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: argument --model: {tmp_path} has no weights: expected *.safetensors")
    assert message.count("\n") == 1


def test_nothing_half_written_stays(tmp_path):
    with pytest.raises(InputError), whole(tmp_path / "out.json") as part:
        part.write_text("half")
        raise InputError("x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "a.parquet").write_text("junk")
    with pytest.raises(InputError, match="a.parquet: not a Parquet file"):
        read_parquet(tmp_path / "a.parquet", ["id"])


def test_a_model_without_a_tokenizer_is_refused(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="models.m: found no tokenizer"):
        check_model(tmp_path, "models.m")
    (tmp_path / "tokenizer.json").write_text("{}")
    check_model(tmp_path, "models.m")
