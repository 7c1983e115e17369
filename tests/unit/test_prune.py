"""Pruning: the share that was asked for, the weights it should hit, everything else bit for bit as it was."""

import json
from shutil import copytree

import pytest
import torch

import prune
from lib.model_folder import load_model
from lib.program import InputError
from lib.pruning import METHODS, Method, check_zeros, l1_unstructured, prune_model
from lib.pruning_methods import SCOPES
from lib.records import read_json
from lib.sparsity import prunable
from tuning import TEMPLATE, cut, linear, make_start, pairs, weights, write_pairs

UNSTRUCTURED = ["l1_unstructured", "random_unstructured"]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start")


def share(folder):
    tensors = linear(folder).values()
    return sum(int((tensor == 0).sum()) for tensor in tensors) / sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize("amount", [0.1, 0.3, 0.777])
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("method", UNSTRUCTURED)
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


@pytest.mark.parametrize("method", UNSTRUCTURED)
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
    of_all = zeros / sum(tensor.numel() for tensor in weights(start).values())
    assert f"prunable weights ({share(pruned):.4f}); {of_all:.4f} of the whole model's" in (pruned / "README.md").read_text()
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
    monkeypatch.setitem(SCOPES, "too_little", ("layer",))
    monkeypatch.setitem(METHODS, "too_little", Method(lambda layers, share, scope: l1_unstructured(layers, share / 2, scope), "too few"))
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


# ------------------------------------------------------------------ methods that prune by rows, groups of four, and activation


def single(matrix):
    """A model with one linear layer of this matrix."""
    layer = torch.nn.Linear(len(matrix[0]), len(matrix), bias=False)
    layer.weight.data = torch.tensor(matrix, dtype=torch.float32)
    model = torch.nn.Sequential(layer)
    model.get_output_embeddings = lambda: None
    return model


def pruned_matrix(matrix, method, amount):
    model = single(matrix)
    prune_model(model, method, amount, "layer")
    return model[0].weight.tolist()


def test_structured_takes_the_rows_with_the_smallest_norm():
    rows = [[3.0, 4.0], [0.0, 5.5], [3.5, 3.5], [-4.0, -4.0]]  # norms 5.0, 5.5, 4.95, 5.66; sums 7, 5.5, 7, 8
    assert pruned_matrix(rows, "ln_structured", 0.5) == [[0, 0], rows[1], [0, 0], rows[3]]
    assert pruned_matrix(rows, "ln_structured", 0.125) == rows  # half a row is rounded to the even number
    assert pruned_matrix([[0.0, 0.0], *rows[1:]], "ln_structured", 0.25) == [[0, 0], *rows[1:]]  # the zero row counts


def test_two_to_four_takes_the_two_smallest_of_each_group():
    rows = [[1.0, -2.0, 3.0, -4.0, 0.125, 9.0, -0.25, 0.5], [-5.0, 5.0, 5.0, -5.0, 0.0, 1.0, 0.0, 0.0]]
    expected = [[0, 0, 3.0, -4.0, 0, 9.0, 0, 0.5], [0, 0, 5.0, -5.0, 0, 1.0, 0, 0]]  # the first among equals; three zeros stay three
    assert pruned_matrix(rows, "semi_structured_2_4", 0.5) == expected


def test_two_to_four_wants_half_and_rows_of_fours(start, tmp_path):
    with pytest.raises(SystemExit, match=r"^error: method semi_structured_2_4: found the share 0.3 .* expected 0.5.* set amount: 0.5"):
        cut(start, tmp_path / "pruned", method="semi_structured_2_4")
    with pytest.raises(InputError, match="0 has 6 inputs; expected a multiple of four"):
        prune_model(single([[1.0] * 6]), "semi_structured_2_4", 0.5, "layer")
    assert not (tmp_path / "pruned").exists()


@pytest.mark.parametrize("method", ["ln_structured", "semi_structured_2_4", "wanda"])
def test_scope_global_is_refused_where_it_has_no_meaning(start, tmp_path, method):
    more = calibration(tmp_path) if method == "wanda" else {}
    with pytest.raises(SystemExit, match=f"^error: scope: global, and {method} ranks .*; expected layer; .* choose l1_unstructured"):
        cut(start, tmp_path / "pruned", method=method, amount=0.5, scope="global", **more)


def calibration(folder, rows=None):
    path = write_pairs(folder / "train.parquet", pairs(6) if rows is None else rows)
    return {"calibration": path, "template": TEMPLATE, "calibration_rows": 4, "max_length": 120}


@pytest.mark.parametrize(("method", "amount"), [("ln_structured", 0.3), ("semi_structured_2_4", 0.5), ("wanda", 0.28), ("wanda", 0.5)])
def test_the_share_of_rows_or_groups_and_the_rest_is_untouched(start, tmp_path, method, amount):
    pruned = cut(start, tmp_path / "pruned", method=method, amount=amount, **(calibration(tmp_path) if method == "wanda" else {}))
    before, after = weights(start), weights(pruned)
    for name, tensor in after.items():
        if name not in linear(start):
            assert torch.equal(tensor, before[name])
            continue
        zeros = tensor == 0
        assert torch.equal(tensor[~zeros], before[name][~zeros])
        assert not torch.signbit(tensor[zeros]).any()
        rows, columns = tensor.shape
        if method == "ln_structured":
            assert int(zeros.all(dim=1).sum()) == round(amount * rows)
            assert int(zeros.sum()) == round(amount * rows) * columns
        elif method == "semi_structured_2_4":
            assert (zeros.reshape(-1, 4).sum(dim=1) == 2).all()
        else:
            assert (zeros.sum(dim=1) == round(amount * columns)).all()
    card = (pruned / "README.md").read_text()
    assert METHODS[method].words in card
    assert ("calibration | 4 rows of train" in card) == (method == "wanda")


# ------------------------------------------------------------------ wanda


def test_wanda_ranks_by_weight_times_input_norm_within_a_row():
    norms = torch.tensor([0.0, 10.0, 1.0, 2.0])
    rows = [[9.0, 0.3, 2.0, 2.0], [5.0, 1.0, 9.0, -1.0], [9.0, 0.0, 0.0, 1.0]]  # scores 0 3 2 4, 0 10 9 2, 0 0 0 2
    expected = [[0, 0.3, 0, 2.0], [0, 1.0, 9.0, 0], [9.0, 0, 0, 1.0]]  # the weights of row 2 that are zero already count first
    model = single(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lib.pruning.input_norms", lambda model, rows: [{model[0]: norms}])
        prune_model(model, "wanda", 0.5, "layer")
    torch.testing.assert_close(model[0].weight.data, torch.tensor(expected), rtol=0, atol=0)


def norms_by_hooks(model, rows, names):
    """Input norms of the named layers when the model reads the rows as anyone would run it."""
    found = {name: [] for name in names}
    hooks = [
        model.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: found[name].append(inputs[0][0])) for name in names
    ]
    with torch.no_grad():
        for row in rows:
            model(input_ids=torch.tensor([row]))
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(seen).pow(2).sum(dim=0).sqrt() for name, seen in found.items()}


ROWS = [[6 + (7 * step + step * step * start) % 200 for step in range(30 + start)] for start in range(5)]


def test_wanda_equals_the_formula_block_by_block(start):
    """The reference runs the whole model before each block is pruned; what is pruned then feeds the next."""
    fast, slow = load_model(start, torch.float32), load_model(start, torch.float32)
    prune_model(fast, "wanda", 0.5, "layer", ROWS)
    for block in ("model.layers.0.", "model.layers.1."):
        names = [name for name in prunable(slow) if name.startswith(block)]
        for name, norm in norms_by_hooks(slow, ROWS, names).items():
            weight = slow.get_submodule(name).weight.data
            order = (weight.abs() * norm).sort(dim=1).indices[:, : weight.shape[1] // 2]
            weight.scatter_(1, order, 0)
    for name in prunable(slow):
        assert torch.equal(fast.get_submodule(name).weight, slow.get_submodule(name).weight), name
    with torch.no_grad():
        ids = torch.tensor([ROWS[0]])
        assert torch.equal(fast(input_ids=ids).logits, slow(input_ids=ids).logits)  # the blocks run as before


def test_wanda_harms_the_outputs_less_than_magnitude_where_inputs_have_outliers(start):
    dense = load_model(start, torch.float32)
    with torch.no_grad():
        for block in dense.model.layers:  # a few input features a hundred times as large as the others, as in trained models
            for norm in (block.input_layernorm, block.post_attention_layernorm):
                norm.weight[::16] = 100.0
    error = {}
    names = [name for name in prunable(dense) if name.startswith("model.layers.0.") and ("q_proj" in name or "up_proj" in name)]
    expected = outputs(dense, names)
    state = {name: tensor.clone() for name, tensor in dense.state_dict().items()}
    for method in ("l1_unstructured", "wanda"):
        dense.load_state_dict(state)
        prune_model(dense, method, 0.5, "layer", ROWS)
        error[method] = outputs(dense, names)
        error[method] = sum(float((error[method][name] - expected[name]).pow(2).mean() / expected[name].pow(2).mean()) for name in names)
    assert error["wanda"] < 0.5 * error["l1_unstructured"]


def outputs(model, names):
    found = {name: [] for name in names}
    hooks = [
        model.get_submodule(name).register_forward_hook(lambda _, inputs, output, name=name: found[name].append(output[0]))
        for name in names
    ]
    with torch.no_grad():
        for row in ROWS:
            model(input_ids=torch.tensor([row]))
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(seen) for name, seen in found.items()}


def test_wanda_wants_decoder_blocks():
    with pytest.raises(InputError, match="Sequential: its linear layers do not lie in one list of decoder blocks"):
        prune_model(single([[1.0, 2.0]]), "wanda", 0.5, "layer", ROWS)


def test_calibration_is_a_sample_of_the_file_by_the_seed(start, tmp_path):
    wanda = {"method": "wanda", "amount": 0.5, **calibration(tmp_path, pairs(40, reference="{} {} {} {}"))}
    made = [linear(cut(start, tmp_path / str(n), seed=seed, **wanda)) for n, seed in enumerate((1, 1, 2))]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not all(torch.equal(made[0][name], made[2][name]) for name in made[0])


def test_calibration_is_asked_for_exactly_where_it_is_used(start, tmp_path):
    given = calibration(tmp_path)
    with pytest.raises(SystemExit, match="^error: --method wanda: .* found none; expected --calibration, --template, --calibration-rows"):
        cut(start, tmp_path / "pruned", method="wanda")
    with pytest.raises(SystemExit, match="^error: --method l1_unstructured: .* found --calibration, .* expected none"):
        cut(start, tmp_path / "pruned", **given)
    with pytest.raises(SystemExit, match="^error: --calibration-rows: found 0; expected at least 1"):
        cut(start, tmp_path / "pruned", method="wanda", **{**given, "calibration_rows": 0})
    with pytest.raises(SystemExit, match="^error: .*train.parquet: no rows; expected some"):
        cut(start, tmp_path / "pruned", method="wanda", **calibration(tmp_path, []))
    assert not (tmp_path / "pruned").exists()


# ------------------------------------------------------------------ the check itself


@pytest.mark.parametrize(
    ("method", "zeros"),
    [
        ("ln_structured", [[1, 1, 1, 1], [1, 0, 0, 0]]),  # a zero outside of the row
        ("ln_structured", [[1, 1, 1, 0], [1, 0, 0, 0]]),  # half of the weights, and no row
        ("semi_structured_2_4", [[1, 1, 1, 0], [1, 0, 0, 0]]),  # half of the weights, three in one group
        ("wanda", [[1, 1, 1, 0], [1, 0, 0, 0]]),
        ("l1_unstructured", [[1, 1, 1, 1], [1, 0, 0, 0]]),
    ],
)
def test_zeros_in_the_wrong_places_are_noticed(method, zeros):
    zeros = torch.tensor(zeros, dtype=torch.bool)
    with pytest.raises(RuntimeError, match=method):
        check_zeros(method, "layer", torch.zeros_like(zeros), zeros, 0.5)
    right = torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]] if method == "ln_structured" else [[1, 1, 0, 0], [0, 1, 0, 1]], dtype=torch.bool)
    check_zeros(method, "layer", torch.zeros_like(zeros), right, 0.5)
