"""Dropout of a CPU: as much is dropped as was asked for, the mean is kept, and what a model computes otherwise is as before."""

import pytest
import torch
from torch import nn

from lib.quick_dropout import QuickDropout

ONES = torch.ones(1_000_001)  # no multiple of the four numbers that a draw is enough for


def dropped(p, input=ONES, seed=1, **options):
    torch.manual_seed(seed)
    with QuickDropout():
        return nn.functional.dropout(input, p, **options)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9999])
def test_the_share_that_was_asked_for_is_dropped_and_the_mean_is_kept(p):
    found = dropped(p)
    assert (found == 0).double().mean().item() == pytest.approx(p, abs=0.003)
    share = round(p * 2**16) / 2**16  # of which the mean is kept
    assert found.unique().tolist() == pytest.approx([0, 1 / (1 - share)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_pass_where_numbers_stay(dtype):
    input = torch.full((4, 50, 3), 2.0, dtype=dtype, requires_grad=True)
    found = dropped(0.4, input)
    found.sum().backward()
    assert found.dtype == dtype and found.shape == input.shape
    assert torch.equal(found, 2 * input.grad)
    assert 0 < (input.grad == 0).sum() < input.numel()


def test_a_seed_gives_the_same_again_and_another_one_does_not():
    assert torch.equal(dropped(0.1), dropped(0.1))
    assert not torch.equal(dropped(0.1), dropped(0.1, seed=2))


@pytest.mark.parametrize(("p", "options"), [(0.1, {"training": False}), (0.0, {}), (1.0, {}), (0.3, {"inplace": True})])
def test_all_else_is_torch_s_own(p, options):
    torch.manual_seed(1)
    own = nn.functional.dropout(ONES.clone(), p, **options)
    assert torch.equal(dropped(p, ONES.clone(), **options), own)


def test_modules_and_functions_of_a_model_are_reached_and_nothing_outlives_the_context(monkeypatch):
    seen = []
    monkeypatch.setattr("lib.quick_dropout.dropout", lambda input, *args, **options: seen.append(input.shape) or input)
    layer, input = nn.Dropout(0.1), torch.ones(2, 3)
    with QuickDropout():
        layer(input)
        nn.functional.dropout(input[0], 0.1, True)
        assert torch.equal(torch.relu(input) + 1, input + 1)
    layer(input)
    assert seen == [(2, 3), (3,)]
