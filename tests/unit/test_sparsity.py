"""Sparsity: zeros and weights as anyone would count them in the files."""

import pandas as pd
import pytest
from safetensors.torch import save_file

import sparsity
from lib.model_folder import load_model
from tuning import command_line, cut, linear, make_start, weights


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return cut(make_start(folder / "start"), folder / "pruned")


def count(model, output, **more):
    outputs = {"output": output, "packed": output.with_suffix(".safetensors"), "storage": output.with_suffix(".json")}
    sparsity.main(command_line({"model": model, **outputs, **more}))
    return pd.read_csv(output).set_index("layer")


def test_counts_are_those_of_the_file_with_every_parameter_once(pruned, tmp_path):
    table = count(pruned, tmp_path / "sparsity.csv")
    assert list(table.columns) == ["zeros", "weights", "sparsity"]
    assert list(table.index[-2:]) == ["prunable", "total"]
    for name, tensor in linear(pruned).items():
        assert tuple(table.loc[name.removesuffix(".weight"), ["zeros", "weights"]]) == (int((tensor == 0).sum()), tensor.numel())
    assert len(table) == len(linear(pruned)) + 2
    assert table.weights["prunable"] == sum(tensor.numel() for tensor in linear(pruned).values())
    assert table.weights["total"] == sum(tensor.numel() for tensor in weights(pruned).values())  # the head is tied, and stored once
    assert table.sparsity["prunable"] == pytest.approx(0.30, abs=1e-3)
    assert table.zeros["total"] == sum(int((tensor == 0).sum()) for tensor in weights(pruned).values())
    assert (table.sparsity == table.zeros / table.weights).all()


def test_a_tied_head_that_is_stored_all_the_same_counts_once(pruned, tmp_path):
    model = load_model(pruned, "bfloat16")
    model.save_pretrained(tmp_path / "twice")
    tensors = weights(pruned)
    save_file({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}, tmp_path / "twice" / "model.safetensors")
    assert count(tmp_path / "twice", tmp_path / "twice.csv").equals(count(pruned, tmp_path / "once.csv"))


def test_a_model_in_several_files_counts_the_same(pruned, tmp_path):
    load_model(pruned, "bfloat16").save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    assert count(tmp_path / "shards", tmp_path / "shards.csv").equals(count(pruned, tmp_path / "one.csv"))


def test_no_zero_of_the_parent_may_be_missing(pruned, tmp_path):
    count(pruned, tmp_path / "parent.csv")
    count(pruned, tmp_path / "child.csv", at_least=tmp_path / "parent.csv")
    model = load_model(pruned, "bfloat16")
    weight = model.model.layers[0].mlp.down_proj.weight
    weight.data[tuple(map(int, (weight == 0).nonzero()[0]))] = 1
    model.save_pretrained(tmp_path / "lost")
    with pytest.raises(SystemExit, match=r"^error: .*lost: model.layers.0.mlp.down_proj has 2457 zeros, and 2458 in .*parent.csv"):
        count(tmp_path / "lost", tmp_path / "lost.csv", at_least=tmp_path / "parent.csv")
    assert not list(tmp_path.glob("lost.*"))


def test_tables_of_other_layers_and_files_without_a_tensor_are_refused(pruned, tmp_path):
    pd.DataFrame([("other", 1, 2, 0.5)], columns=["layer", "zeros", "weights", "sparsity"]).to_csv(tmp_path / "parent.csv", index=False)
    with pytest.raises(SystemExit, match="parent.csv: its layers are not those of"):
        count(pruned, tmp_path / "child.csv", at_least=tmp_path / "parent.csv")
    load_model(pruned, "bfloat16").save_pretrained(tmp_path / "part")
    save_file({name: tensor for name, tensor in weights(pruned).items() if "norm" not in name}, tmp_path / "part" / "model.safetensors")
    with pytest.raises(SystemExit, match="part: model.layers.0.input_layernorm.weight is missing"):
        count(tmp_path / "part", tmp_path / "child.csv")
