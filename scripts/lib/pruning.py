"""Pruning methods: each sets a share of the weights of the given layers to zero, through torch.nn.utils.prune."""

import torch
from torch.nn.utils import prune

from lib.program import InputError
from lib.sparsity import prunable


def l1_unstructured(layers, amount, scope):
    """The smallest weights, by absolute value."""
    _zero_lowest(layers, {layer: layer.weight for layer in layers}, amount, scope)


def random_unstructured(layers, amount, scope):
    """Weights drawn at random; those that are zero already count first, so that `amount` is the share afterwards."""
    _zero_lowest(layers, {layer: torch.rand_like(layer.weight).masked_fill(layer.weight == 0, 0) for layer in layers}, amount, scope)


METHODS = {"l1_unstructured": l1_unstructured, "random_unstructured": random_unstructured}
SCOPES = ("layer", "global")


def _zero_lowest(layers, scores, amount, scope):
    """Zero the share `amount` of the weights with the lowest absolute score: in each layer, or in all layers together."""
    if scope == "global":
        importance = {(layer, "weight"): scores[layer] for layer in layers}
        prune.global_unstructured(list(importance), prune.L1Unstructured, importance_scores=importance, amount=amount)
    else:
        for layer in layers:
            prune.l1_unstructured(layer, "weight", amount=amount, importance_scores=scores[layer])


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


def prune_model(model, method, share, scope):
    """Zero `share` of the prunable weights of `model`, in place, and make the zeros permanent.

    Raises RuntimeError if the zeros afterwards are not the share that was asked for.
    """
    layers = prunable(model)
    before = {name: layer.weight.detach() == 0 for name, layer in layers.items()}
    METHODS[method](list(layers.values()), share, scope)
    for layer in layers.values():
        prune.remove(layer, "weight")  # else the file would hold weight_orig and weight_mask, which no loader knows
        layer.weight.data += 0.0  # a negative weight times a mask of zero is -0.0; this makes it 0.0 and changes no other weight
    groups = [list(layers)] if scope == "global" else [[name] for name in layers]
    for group in groups:
        zeros = sum(int((layers[name].weight == 0).sum()) for name in group)
        expected = max(round(share * sum(before[name].numel() for name in group)), sum(int(before[name].sum()) for name in group))
        if zeros != expected:
            raise RuntimeError(f"{method} left {zeros} zeros in {group[0]} where {expected} were expected")
