"""Packed rows: every row once, none beyond the limit, none that sees another, and the training the same as without."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from lib.completions import losses_of
from lib.model_folder import load_model
from lib.packing import IGNORED, check_exact, packed, padded
from lib.program import InputError
from lib.records import read_json, read_jsonl
from tuning import make_start, pairs, tune, weights

PAD = 3


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return make_start(tmp_path_factory.mktemp("models") / "start", torch.float32, initializer_range=0.3)


def row(number, prompt, completion):
    ids = [6 + (number * 31 + 7 * place * place + place) % 200 for place in range(prompt + completion)]
    return {"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]}


ROWS = [row(1, 30, 5), row(2, 8, 3), row(3, 12, 9), row(4, 20, 1), row(5, 1, 2), row(6, 17, 6)]


@given(st.lists(st.integers(2, 40), min_size=1, max_size=20), st.integers(40, 90))
def test_every_row_lies_whole_in_one_sequence_and_none_is_beyond_the_limit(lengths, limit):
    rows = [row(number, length - 1, 1) for number, length in enumerate(lengths)]
    batch = packed(rows, PAD, limit)
    found = []
    for ids, positions, labels in zip(*(batch[name].tolist() for name in ("input_ids", "position_ids", "labels")), strict=True):
        assert len(ids) <= limit
        starts = [place for place, position in enumerate(positions) if position == 0]
        for begin, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            assert positions[begin:end] == list(range(end - begin))
            found.append({"input_ids": ids[begin:end], "labels": labels[begin:end]})
    real = [part for part in found if any(label != IGNORED for label in part["labels"])]
    assert sorted(map(str, real)) == sorted(map(str, rows))
    assert all(set(part["input_ids"]) == {PAD} for part in found if part not in real)
    assert len(batch["input_ids"]) <= len(rows)


def test_rows_that_fit_together_share_a_sequence():
    assert packed(ROWS, PAD, 64)["input_ids"].shape == (2, 61)  # 114 tokens
    assert padded(ROWS, PAD)["input_ids"].shape == (6, 35)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_loss_of_each_token_is_that_of_separate_rows(start, attention):
    model = load_model(start, torch.float32)
    model.set_attn_implementation(attention)

    def token_losses(batch):
        losses = losses_of(model, batch)
        return losses[losses != 0].sort().values.detach()

    alone = torch.cat([token_losses(padded([one], PAD)) for one in ROWS]).sort().values
    assert len(alone) == 26
    for limit in (64, 500):
        torch.testing.assert_close(token_losses(packed(ROWS, PAD, limit)), alone, rtol=0, atol=1e-5)
    batch = packed(ROWS, PAD, 500)
    wrong = {**batch, "position_ids": torch.arange(batch["input_ids"].shape[1])[None]}
    assert (token_losses(wrong) - alone).abs().max() > 0.01, "positions that run on would let rows see each other"


def test_attention_that_does_not_look_at_positions_is_refused(start):
    model = load_model(start, torch.float32)
    check_exact(model, ROWS, PAD)
    AttentionInterface.register("leaky", lambda *args, **options: sdpa_attention_forward(*args[:4], None, **options))
    model.set_attn_implementation("leaky")
    with pytest.raises(InputError, match="LlamaForCausalLM with leaky attention lets packed rows see each other .* set packing to false"):
        check_exact(model, ROWS, PAD)


def test_a_training_in_packed_rows_is_refused_where_they_are_not_exact(start, tmp_path, monkeypatch):
    monkeypatch.setattr("lib.packing.ALIKE", -1)  # no model is that exact
    with pytest.raises(SystemExit, match="^error: training.packing: true, but LlamaForCausalLM"):
        tune(start, tmp_path, packing=True)
    assert not (tmp_path / "model").exists()


def test_training_is_the_same_as_without(start, tmp_path):
    rows = [pairs(12, article="The council met on day {}. " * (1 + n % 4))[n] for n in range(12)]
    made = {packing: tune(start, tmp_path / str(packing), train=rows, packing=packing) for packing in (False, True)}
    logs = [read_jsonl(folder.parent / "training_log.jsonl") for folder in made.values()]
    for key in ("loss", "validation_loss"):
        assert [line[key] for line in logs[1] if key in line] == pytest.approx([line[key] for line in logs[0] if key in line], rel=1e-4)
    for name, tensor in weights(made[False]).items():
        torch.testing.assert_close(weights(made[True])[name], tensor, rtol=0, atol=1e-3)
    summaries = [read_json(folder.parent / "training.json") for folder in made.values()]
    assert [summary["packing"] for summary in summaries] == [False, True]
    assert [summary["steps"] for summary in summaries] == [9, 9]
    assert summaries[0]["packed_rows"] is None
    assert 9 <= summaries[1]["packed_rows"] < 3 * 12
