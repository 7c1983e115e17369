"""The bitmask form: the same tensors bit for bit, in less space."""

from shutil import copytree

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import sparsity
from lib.bitmask import bits, pack, read_packed, same_bits, unpack, write_packed
from lib.model_folder import load_model
from lib.program import InputError
from lib.records import read_json
from tuning import command_line, cut, linear, make_start, weights


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start")


@pytest.fixture(scope="module")
def pruned(start, tmp_path_factory):
    return cut(start, tmp_path_factory.mktemp("models") / "pruned")


def compressed(model, out):
    """Run sparsity.py; the packed file and what storage.json says."""
    file, summary = out / "model.bitmask.safetensors", out / "storage.json"
    outputs = {"output": out / "sparsity.csv", "packed": file, "storage": summary}
    sparsity.main(command_line({"model": model, **outputs}))
    return file, read_json(summary)


# ------------------------------------------------------------------ one tensor


def test_the_form_is_the_one_described():
    mask, values = pack(torch.tensor([[0, 1.5, 0], [0, 0, -2.0], [0, 0, 3.0]]))
    assert mask.tolist() == [0b01000100, 0b10000000]
    assert values.tolist() == [1.5, -2.0, 3.0]


@given(
    rows=st.integers(1, 9), columns=st.integers(1, 9), share=st.sampled_from([0, 0.3, 0.9, 1]), dtype=st.sampled_from(["f4", "f2", "bf2"])
)
def test_any_size_comes_back_bit_for_bit(rows, columns, share, dtype):
    dtype = {"f4": torch.float32, "f2": torch.float16, "bf2": torch.bfloat16}[dtype]
    generator = torch.Generator().manual_seed(rows * 10 + columns)
    tensor = torch.randn(rows, columns, generator=generator).to(dtype)
    tensor[torch.rand(rows, columns, generator=generator) < share] = 0
    mask, values = pack(tensor)
    assert values.dtype == dtype
    assert len(values) == int((tensor != 0).sum())
    assert same_bits(unpack(mask, values, [rows, columns]), tensor)


def test_negative_zero_nan_and_infinity_are_values():
    tensor = torch.tensor([[0.0, -0.0, float("nan"), float("inf"), 1e-45]])
    mask, values = pack(tensor)
    assert len(values) == 4
    assert same_bits(unpack(mask, values, [1, 5]), tensor)
    assert not same_bits(torch.zeros(1), -torch.zeros(1))


def test_a_transposed_view_comes_back():
    tensor = torch.tensor([[0, 1.0], [2.0, 0], [0, 0]]).T
    assert same_bits(unpack(*pack(tensor), list(tensor.shape)), tensor)


def test_parts_that_do_not_belong_together_are_refused():
    mask, values = pack(torch.tensor([[0, 1.0, 2.0]]))
    with pytest.raises(InputError, match="a bitmask of 2 values came with 1"):
        unpack(mask, values[:1], [1, 3])
    with pytest.raises(InputError, match="a bitmask of 1 bytes does not fit the 9 weights"):
        unpack(mask, values, [3, 3])


# ------------------------------------------------------------------ a model


def assert_same(file, folder):
    restored, originals = dict(read_packed(file)), {}
    for path in folder.glob("*.safetensors"):
        originals |= load_file(path)
    assert set(restored) == set(originals)
    for name, tensor in originals.items():
        assert restored[name].dtype == tensor.dtype
        assert restored[name].shape == tensor.shape
        assert torch.equal(bits(restored[name]), bits(tensor)), name


def test_thirty_percent_of_zeros_take_less_space_by_the_known_share(pruned, tmp_path):
    file, storage = compressed(pruned, tmp_path)
    assert_same(file, pruned)
    stored = load_file(file)
    assert {name.removesuffix(".bitmask") for name in stored if name.endswith(".bitmask")} == set(linear(pruned))
    assert storage["dense_bytes"] == (pruned / "model.safetensors").stat().st_size
    assert storage["bitmask_bytes"] == file.stat().st_size < storage["dense_bytes"]
    assert storage["computed_share"] == storage["bitmask_bytes"] / storage["dense_bytes"]
    packed = storage["packed"]
    assert packed["tensors"] == len(linear(pruned))
    assert packed["weights"] == sum(tensor.numel() for tensor in linear(pruned).values())
    assert packed["zeros"] == sum(int((tensor == 0).sum()) for tensor in linear(pruned).values())
    assert packed["computed_share"] == pytest.approx(0.7 + 1 / 16, abs=1e-3)  # bf16: 0.762


def test_the_model_made_of_what_was_read_back_is_the_same(pruned, tmp_path):
    file, _ = compressed(pruned, tmp_path / "packed")
    again = copytree(pruned, tmp_path / "again")
    save_file(dict(read_packed(file)), again / "model.safetensors", metadata={"format": "pt"})
    ids = torch.tensor([[7, 8, 9]])
    assert torch.equal(load_model(again, torch.float32)(ids).logits, load_model(pruned, torch.float32)(ids).logits)


def test_several_files_and_a_head_that_is_stored_beside_its_embedding(pruned, tmp_path):
    load_model(pruned, torch.bfloat16).save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    file, storage = compressed(tmp_path / "shards", tmp_path / "of_shards")
    assert_same(file, tmp_path / "shards")
    assert storage["dense_bytes"] == sum(path.stat().st_size for path in (tmp_path / "shards").glob("*.safetensors"))

    twice = copytree(pruned, tmp_path / "twice")
    embedding = weights(pruned)["model.embed_tokens.weight"].clone()
    embedding[:, ::2] = 0
    save_file({**weights(pruned), "model.embed_tokens.weight": embedding, "lm_head.weight": embedding.clone()}, twice / "model.safetensors")
    file, _ = compressed(twice, tmp_path / "of_twice")
    assert_same(file, twice)
    assert {"lm_head.weight", "model.embed_tokens.weight"} <= set(load_file(file))  # not prunable, and as they are


def test_a_dense_model_is_stored_as_it_is(start, tmp_path):
    file, storage = compressed(start, tmp_path)
    assert_same(file, start)
    assert storage["packed"] == {"tensors": 0, "weights": 0, "zeros": 0, "dense_bytes": 0, "bitmask_bytes": 0, "computed_share": None}


def test_odd_shapes_and_a_tensor_with_one_zero(tmp_path):
    few = torch.ones(9, 7)
    few[0, 0] = 0
    tensors = {"odd": torch.ones(3, 5).triu(1), "few": few, "none": torch.zeros(7), "scalar": torch.tensor(0.0), "empty": torch.zeros(0, 3)}
    packed = write_packed(tmp_path / "file.safetensors", tensors.items(), set(tensors))
    restored = dict(read_packed(tmp_path / "file.safetensors"))
    assert set(restored) == set(tensors)
    assert all(same_bits(restored[name], tensor) for name, tensor in tensors.items())
    assert set(packed) == {"odd", "none", "scalar"}  # a bitmask for one zero would cost more than it saves
    assert packed["odd"] == {"weights": 15, "zeros": 6, "dense_bytes": 60, "bitmask_bytes": 2 + 9 * 4}


def test_the_same_command_gives_the_same_bytes(pruned, tmp_path):
    files = [compressed(pruned, tmp_path / name)[0] for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_was_not_read_back_as_it_was_is_never_published(pruned, tmp_path, monkeypatch):
    def forgetful(path):
        for name, tensor in read_packed(path):
            yield name, tensor + 0.5 if name.endswith("q_proj.weight") else tensor

    monkeypatch.setattr(sparsity, "read_packed", forgetful)
    with pytest.raises(RuntimeError, match="q_proj.weight was not read back as it stands in"):
        compressed(pruned, tmp_path)
    monkeypatch.setattr(sparsity, "read_packed", lambda path: [*read_packed(path), ("more", torch.zeros(1))])
    with pytest.raises(RuntimeError, match="more was read back and is not in"):
        compressed(pruned, tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(pruned, tmp_path):
    with pytest.raises(InputError, match="its metadata has no key bitmask"):
        dict(read_packed(pruned / "model.safetensors"))
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a safetensors file that can be read"):
        dict(read_packed(tmp_path / "broken.safetensors"))
