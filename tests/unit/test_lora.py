"""LoRA: adapters alone are trained, what is stored is an ordinary model, and zeros of a pruned one stay zero."""

import pytest
import torch

from lib.lora import adapted, merged
from lib.model_folder import load_model
from lib.records import read_json
from tuning import cut, linear, make_start, tune, weights

LORA = {"r": 4, "alpha": 16, "dropout": 0.1, "targets": ["q_proj", "down_proj"]}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start")


@pytest.fixture(scope="module")
def pruned(start):
    return cut(start, start.parent / "pruned")


def chosen(name):
    return name.removesuffix(".weight").endswith(tuple(LORA["targets"]))


def test_adapters_are_trained_and_merged_into_an_ordinary_model(start, tmp_path):
    tuned = tune(start, tmp_path, lora=LORA, learning_rate=0.05)
    before, after, summary = weights(start), weights(tuned), read_json(tmp_path / "training.json")
    assert set(before) == set(after)
    assert not list(tuned.glob("adapter*"))
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor) == (not chosen(name)), name
    parameters = sum(4 * sum(tensor.shape) for name, tensor in before.items() if chosen(name))
    assert summary["lora"] == {**LORA, "trainable_parameters": parameters}
    losses = summary["validation_loss"]
    assert losses["after"] < losses["before"] - 0.1
    assert losses["after"] == pytest.approx(losses["best"], abs=0.01)  # merged and rounded to bf16
    load_model(tuned, torch.float32)
    assert "rank 4, alpha 16, dropout 0.1, on q_proj, down_proj" in (tuned / "README.md").read_text()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_zeros_of_a_pruned_model_stay_zero(pruned, tmp_path, precision):
    tuned = tune(pruned, tmp_path, keep_zeros=True, lora=LORA, learning_rate=0.05, precision=precision)
    for name, tensor in linear(pruned).items():
        assert torch.equal(linear(tuned)[name] == 0, tensor == 0), name
        assert torch.equal(linear(tuned)[name], tensor) == (not chosen(name)), name
    losses = read_json(tmp_path / "training.json")["validation_loss"]
    assert losses["after"] == pytest.approx(losses["best"], abs=0.02)
    assert losses["after"] < losses["before"] - 0.1


def trained_adapters(folder, keep_zeros):
    """A model in fp32 whose adapters have values as after a training."""
    model = adapted(load_model(folder, torch.float32), LORA, keep_zeros).eval()
    generator = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora" in name:
            weight.data = torch.randn(weight.shape, generator=generator) / 10
    return model


@pytest.mark.parametrize("keep_zeros", [True, False])
def test_what_is_trained_is_what_is_merged(pruned, keep_zeros):
    model, ids = trained_adapters(pruned, keep_zeros), torch.tensor([[7, 8, 9, 20, 31]])
    with torch.no_grad():
        trained = model(ids).logits
        plain = load_model(pruned, torch.float32)(ids).logits
        result = merged(model)
        torch.testing.assert_close(result(ids).logits, trained, rtol=0, atol=1e-5)
    assert (trained - plain).abs().max() > 0.01
    zeros = {name: int((result.get_parameter(name) == 0).sum()) for name in linear(pruned)}
    kept = {name: zeros[name] == int((tensor == 0).sum()) for name, tensor in linear(pruned).items()}
    assert kept == {name: keep_zeros or not chosen(name) for name in kept}, "without the mask, merging fills the zeros"


@pytest.mark.parametrize("keep_zeros", [True, False])
def test_dropout_plays_its_part_in_training_only(pruned, keep_zeros):
    model, ids = trained_adapters(pruned, keep_zeros), torch.tensor([[7, 8, 9, 20, 31]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, model(ids).logits)
        model.train()
        assert not torch.equal(model(ids).logits, model(ids).logits)


def test_gradients_of_a_masked_adapter_are_those_of_the_masked_product(pruned):
    model, ids = trained_adapters(pruned, True), torch.tensor([[7, 8, 9, 20, 31]])
    model(ids, labels=ids).loss.backward()
    layer = model.base_model.model.model.layers[0].self_attn.q_proj
    a, b = (part["default"].weight for part in (layer.lora_A, layer.lora_B))
    mask = layer.base_layer.weight != 0
    dense = load_model(pruned, torch.float32)
    dense.load_state_dict({name: value.detach() for name, value in merged(trained_adapters(pruned, True)).state_dict().items()})
    dense(ids, labels=ids).loss.backward()
    of_delta = dense.model.layers[0].self_attn.q_proj.weight.grad * mask * 4  # alpha / r
    torch.testing.assert_close(b.grad, of_delta @ a.T, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(a.grad, b.T @ of_delta, rtol=1e-3, atol=1e-6)


def test_gradient_checkpointing_reaches_the_adapters(start, tmp_path):
    made = [tune(start, tmp_path / str(on), lora={**LORA, "dropout": 0}, gradient_checkpointing=on) for on in (False, True)]
    for name, tensor in weights(made[0]).items():
        torch.testing.assert_close(weights(made[1])[name], tensor, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("target", ["lm_head", "query"])
def test_a_target_that_is_no_prunable_layer_is_named(start, tmp_path, target):
    with pytest.raises(SystemExit, match=f"^error: training.lora.targets: found '{target}'; expected some of down_proj, gate_proj"):
        tune(start, tmp_path, lora={**LORA, "targets": ["q_proj", target]})
    assert not (tmp_path / "model").exists()
