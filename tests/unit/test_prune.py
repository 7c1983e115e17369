"""Pruning: the share that was asked for, the weights it should hit, everything else bit for bit as it was."""

import json
from shutil import copytree

import pytest
import torch

import prune
from lib.model_folder import load_model
from lib.pruning import METHODS, prune_model
from lib.records import read_json
from tuning import cut, linear, make_start, weights


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start")


def share(folder):
    tensors = linear(folder).values()
    return sum(int((tensor == 0).sum()) for tensor in tensors) / sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize("amount", [0.1, 0.3, 0.777])
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("method", METHODS)
def test_the_share_is_the_one_asked_for_and_the_rest_is_untouched(start, tmp_path, method, scope, amount):
    pruned = cut(start, tmp_path / "pruned", method=method, scope=scope, amount=amount)
    before, after = weights(start), weights(pruned)
    assert share(pruned) == pytest.approx(amount, abs=1e-3)
    assert set(before) == set(after)  # ordinary names: no weight_orig, no weight_mask
    for name, tensor in after.items():
        assert tensor.dtype == before[name].dtype == torch.bfloat16
        if name in linear(start):
            assert torch.equal(tensor[tensor != 0], before[name][tensor != 0])
            if scope == "layer":
                assert int((tensor == 0).sum()) == round(amount * tensor.numel())
        else:
            assert torch.equal(tensor, before[name]), f"{name} is not prunable"
    assert not any(bool(torch.signbit(tensor[tensor == 0]).any()) for tensor in linear(pruned).values())


def test_l1_takes_the_smallest_of_a_layer_or_of_all(start, tmp_path):
    before = linear(start)
    for scope in ("layer", "global"):
        after = linear(cut(start, tmp_path / scope, scope=scope))
        gone = {name: before[name][after[name] == 0].abs() for name in before}
        kept = {name: after[name][after[name] != 0].abs() for name in before}
        if scope == "layer":
            assert all(gone[name].max() <= kept[name].min() for name in before)
        else:
            assert torch.cat(list(gone.values())).max() <= torch.cat(list(kept.values())).min()
            assert len({round(len(gone[name]) / before[name].numel(), 3) for name in before}) > 1  # some layers lose more than others


def test_random_follows_the_seed(start, tmp_path):
    made = [linear(cut(start, tmp_path / str(n), method="random_unstructured", seed=seed)) for n, seed in enumerate((1, 1, 2))]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not all(torch.equal(made[0][name], made[2][name]) for name in made[0])


@pytest.mark.parametrize("method", METHODS)
def test_pruning_a_pruned_model_counts_the_zeros_that_are_there(start, tmp_path, method):
    once = cut(start, tmp_path / "once")
    twice = cut(once, tmp_path / "twice", method=method, amount=0.5)
    assert share(twice) == pytest.approx(0.5, abs=1e-3)
    assert all(bool((linear(twice)[name][tensor == 0] == 0).all()) for name, tensor in linear(once).items())


def test_a_share_of_the_whole_model_is_a_larger_share_of_the_linear_layers(start, tmp_path):
    pruned = cut(start, tmp_path / "pruned", amount=0.3, amount_of="model")
    zeros = sum(int((tensor == 0).sum()) for tensor in linear(pruned).values())
    assert zeros / sum(tensor.numel() for tensor in weights(start).values()) == pytest.approx(0.3, abs=1e-3)
    assert share(pruned) > 0.31
    with pytest.raises(SystemExit, match=r"^error: amount 0.95 of the model: .* are prunable .*choose a smaller amount"):
        cut(start, tmp_path / "too_much", amount=0.95, amount_of="model")
    assert not (tmp_path / "too_much").exists()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_other_dtypes_stay_as_they_are(tmp_path, dtype):
    start = make_start(tmp_path / "start", dtype)
    pruned = cut(start, tmp_path / "pruned")
    assert {tensor.dtype for tensor in weights(pruned).values()} == {dtype}
    assert read_json(pruned / "config.json")["dtype"] == str(dtype).removeprefix("torch.")


def test_the_same_command_gives_the_same_bytes_and_no_path(start, tmp_path):
    folders = [cut(start, tmp_path / name) for name in ("one", "two")]
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes()
        assert str(start.parent).encode() not in path.read_bytes()


def test_a_quantized_model_is_refused(start, tmp_path):
    quantized = copytree(start, tmp_path / "quantized")
    config = read_json(quantized / "config.json")
    (quantized / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "bitsandbytes"}}))
    with pytest.raises(SystemExit, match="quantized: the model is quantized"):
        cut(quantized, tmp_path / "pruned")
    assert not (tmp_path / "pruned").exists()


@pytest.mark.parametrize(
    "changes", [{"amount": 0}, {"amount": 1}, {"amount": -0.3}, {"amount": "third"}, {"method": "magic"}, {"scope": "all"}]
)
def test_wrong_arguments_are_usage_errors(start, tmp_path, changes):
    with pytest.raises(SystemExit) as error:
        cut(start, tmp_path / "pruned", **changes)
    assert error.value.code == 2


def test_a_method_that_misses_its_share_is_noticed(start, monkeypatch):
    monkeypatch.setitem(METHODS, "too_little", lambda layers, amount, scope: METHODS["l1_unstructured"](layers, amount / 2, scope))
    with pytest.raises(RuntimeError, match="too_little left"):
        prune_model(load_model(start, torch.float32), "too_little", 0.3, "layer")


def test_a_weight_that_changed_is_noticed(start, tmp_path):
    pruned = cut(start, tmp_path / "pruned")
    names, zeros = set(linear(start)), sum(int((tensor == 0).sum()) for tensor in linear(pruned).values())
    prune.check_kept(start, pruned, zeros, names)
    with pytest.raises(RuntimeError, match="zeros were stored"):
        prune.check_kept(start, pruned, zeros - 1, names)
    with pytest.raises(RuntimeError, match="have changed"):
        prune.check_kept(make_other(tmp_path), pruned, zeros, names)


def make_other(tmp_path):
    from lib.random_models import make

    make("llama", tmp_path / "other", seed=2)
    load_model(tmp_path / "other", torch.bfloat16).save_pretrained(tmp_path / "other")
    return tmp_path / "other"
