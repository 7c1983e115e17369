"""Pruning methods: each sets a share of the weights of the prunable layers to zero, through torch.nn.utils.prune.

Every method prunes units within groups: of each group the share of its units, rounded to a whole number (a half to the even one,
as torch rounds). Units that are zero already count first, so that the share is the one afterwards; among equals the choice is
the library's, or the first one's where this module ranks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.utils import prune

from lib.calibration import input_norms
from lib.program import InputError
from lib.pruning_methods import CALIBRATED, wrong_scope
from lib.sparsity import prunable


@dataclass(frozen=True)
class Method:
    """`cut(layers, share, scope)` leaves a mask of torch.nn.utils.prune on each layer; calibrated ones have `cut(model, share, rows)`.

    `groups(rows, columns)` says what a weight matrix consists of: (number of groups, units in a group, weights in a unit).
    """

    cut: Callable
    words: str  # which weights go, for the model card
    groups: Callable = lambda rows, columns: (1, rows * columns, 1)


# ------------------------------------------------------------------ methods


def l1_unstructured(layers, share, scope):
    _zero_lowest(layers, {layer: layer.weight for layer in layers}, share, scope)


def random_unstructured(layers, share, scope):
    """Zeros that are there are given the lowest of all scores, so that they count first."""
    _zero_lowest(layers, {layer: torch.rand_like(layer.weight).masked_fill(layer.weight == 0, 0) for layer in layers}, share, scope)


def ln_structured(layers, share, scope):
    """A row of a linear layer's matrix is an output neuron. Biases stay."""
    for layer in layers:
        prune.ln_structured(layer, "weight", amount=share, n=2, dim=0)


def semi_structured_2_4(layers, share, scope):
    """The pattern that sparse tensor cores read: two zeros at least in every four consecutive inputs."""
    for layer in layers:
        groups = layer.weight.detach().abs().reshape(-1, 4)
        prune.custom_from_mask(layer, "weight", _all_but_lowest(groups, 2).reshape(layer.weight.shape))


def wanda(model, share, rows):
    """Sun et al., A Simple and Effective Pruning Approach for Large Language Models, 2023 (arXiv:2306.11695).

    A weight's score is its absolute value times the L2 norm of its input feature over all calibration tokens; scores are compared
    within a row of the matrix, that is, for each output. As in the paper, blocks are pruned in order, and each is calibrated on
    what the pruned blocks before it put out. The paper rounds the share of a row down, here it is rounded.
    """
    for norms in input_norms(model, rows):
        for layer, norm in norms.items():
            weight = layer.weight.detach()
            scores = (weight.abs() * norm).masked_fill(weight == 0, -1)  # before weights of an input that is always zero
            prune.custom_from_mask(layer, "weight", _all_but_lowest(scores, round(share * weight.shape[1])))


METHODS = {
    "l1_unstructured": Method(l1_unstructured, "the smallest weights by absolute value"),
    "random_unstructured": Method(random_unstructured, "weights drawn at random"),
    "ln_structured": Method(
        ln_structured,
        "whole rows of each matrix, its output neurons, those with the smallest L2 norm (the amount is the share of the rows; "
        "they are stored as zeros, and the shapes stay)",
        groups=lambda rows, columns: (1, rows, columns),
    ),
    "semi_structured_2_4": Method(
        semi_structured_2_4,
        "the two smallest, by absolute value, of every four consecutive weights of a row (the 2:4 pattern of sparse tensor cores)",
        groups=lambda rows, columns: (rows * columns // 4, 4, 1),
    ),
    "wanda": Method(
        wanda,
        "in each row of a matrix the weights with the smallest product of absolute value and norm of the input on calibration "
        "articles (Wanda, arXiv:2306.11695)",
        groups=lambda rows, columns: (rows, columns, 1),
    ),
}


def _zero_lowest(layers, scores, share, scope):
    """Zero the share of the weights with the lowest absolute score: in each layer, or in all layers together."""
    if scope == "global":
        importance = {(layer, "weight"): scores[layer] for layer in layers}
        prune.global_unstructured(list(importance), prune.L1Unstructured, importance_scores=importance, amount=share)
    else:
        for layer in layers:
            prune.l1_unstructured(layer, "weight", amount=share, importance_scores=scores[layer])


def _all_but_lowest(scores, count):
    """A mask (bool, the shape of the matrix `scores`) that leaves out the `count` lowest of each row, the first among equals."""
    lowest = scores.argsort(dim=1, stable=True)[:, :count]
    return torch.ones_like(scores, dtype=torch.bool).scatter(1, lowest, False)


# ------------------------------------------------------------------ what is asked for


def share_of_prunable(model, amount, amount_of):
    """The share of the prunable weights that makes `amount` of the prunable weights, or of the whole model."""
    if amount_of == "prunable":
        return amount
    weights = sum(layer.weight.numel() for layer in prunable(model).values())
    whole = sum(parameter.numel() for parameter in model.parameters())  # parameters() gives a tied matrix once
    if amount * whole >= weights:
        raise InputError(
            f"amount {amount} of the model: that is {amount * whole:.0f} weights, and {weights} are prunable "
            f"(every linear layer but the head); expected less than {weights / whole:.3f}; choose a smaller amount"
        )
    return amount * whole / weights


def check_scope(method, scope):
    """Raise InputError if `method` does not rank weights over the given scope."""
    if wrong := wrong_scope(method, scope):
        found, expected, way_out = wrong
        raise InputError(f"scope: {found}; expected {expected}; {way_out}")


def check_2_4(layers, share):
    """Raise InputError if a 2:4 pattern cannot give the share, or does not fit a layer."""
    if share != 0.5:
        raise InputError(
            f"method semi_structured_2_4: found the share {share:.4g} of the prunable weights; expected 0.5, two of four; "
            "set amount: 0.5 and amount_of: prunable"
        )
    for name, layer in layers.items():
        if layer.in_features % 4:
            raise InputError(
                f"method semi_structured_2_4: {name} has {layer.in_features} inputs; expected a multiple of four; choose another method"
            )


def prune_model(model, method, share, scope, rows=()):
    """Zero `share` of the prunable weights of `model`, in place, and make the zeros permanent.

    `rows`: for a calibrated method, lists of token ids to read. Raises InputError for a combination that the method does not know,
    RuntimeError if the zeros afterwards are not those that were asked for.
    """
    layers, chosen = prunable(model), METHODS[method]
    check_scope(method, scope)
    if method == "semi_structured_2_4":
        check_2_4(layers, share)
    before = {name: layer.weight.detach() == 0 for name, layer in layers.items()}
    if method in CALIBRATED:
        chosen.cut(model, share, rows)
    else:
        chosen.cut(list(layers.values()), share, scope)
    for layer in layers.values():
        prune.remove(layer, "weight")  # else the file would hold weight_orig and weight_mask, which no loader knows
        layer.weight.data += 0.0  # a negative weight times a mask of zero is -0.0; this makes it 0.0 and changes no other weight
    after = {name: layer.weight.detach() == 0 for name, layer in layers.items()}
    if scope == "global":
        before, after = ({"all layers": torch.cat([zeros.flatten() for zeros in side.values()])[None]} for side in (before, after))
    for name, zeros in after.items():
        check_zeros(method, name, before[name], zeros, share)


def check_zeros(method, name, before, zeros, share):
    """Raise RuntimeError unless each group of the matrix `name` has lost the share of its units, counting those lost before, and no more.

    `before` and `zeros` (bool, rows by columns) tell where the matrix was and is zero.
    """
    groups = METHODS[method].groups(*zeros.shape)
    before, zeros = before.reshape(groups), zeros.reshape(groups)
    lost, pruned = before.all(dim=2), zeros.all(dim=2)
    expected = lost.sum(dim=1).clamp(min=round(share * groups[1]))
    wrong = pruned.sum(dim=1) != expected
    if wrong.any():
        group = int(wrong.nonzero()[0])
        raise RuntimeError(
            f"{method} left {int(pruned[group].sum())} zeros in {name} where {int(expected[group])} were expected (group {group})"
        )
    if not torch.equal(zeros, before | pruned[:, :, None]):
        raise RuntimeError(f"{method} changed which weights of {name} are zero outside of what it pruned")
