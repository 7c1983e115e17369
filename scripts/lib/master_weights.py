"""fp32 master weights for a model that is stored, and run, in half precision."""

from contextlib import contextmanager

import torch
from torch import nn

EXPONENT = 0x7F800000  # the bits of it in a number of fp32


def spread(model, dtype, seed):
    """Move every weight of an fp32 `model` to a random place among the numbers that `dtype` rounds to it.

    Weights read from a half-precision file lie exactly on that format's grid. A training as short and gentle as fine-tuning
    moves most of them by less than half a step of the grid, and rounding to the nearest, which autocast does in every step and
    saving does at the end, undoes all such moves: the model would seem not to learn. From random places between grid points,
    a move of a tenth of a step takes a tenth of the weights to the next point, so that on average nothing is lost: stochastic
    rounding (Gupta et al., 2015) with the dice thrown once, before training. Rounded to `dtype`, the model is what it was;
    a zero stays zero.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            power = (weight.view(torch.int32) & EXPONENT).view(torch.float32)  # of two, the largest not above the weight
            spacing = power * torch.finfo(dtype).eps
            moved = weight + (torch.rand(weight.shape, generator=generator) - 0.5) * spacing
            same = (moved.to(dtype) == weight.to(dtype)) & (weight != 0)  # it may not be: below a power of two the grid is finer
            weight.copy_(torch.where(same, moved, weight))


@contextmanager
def rounded(model, dtype, autocast=False):
    """Weights as a file in `dtype` holds them, and computed with as before, until the end of the context.

    autocast   whether the arithmetic rounds matrices to `dtype` itself, so that those of linear layers can stay
    """
    linear = {layer.weight for layer in model.modules() if autocast and isinstance(layer, nn.Linear)}
    embedded = {layer.weight for layer in model.modules() if isinstance(layer, nn.Embedding)}  # which may be the head's as well
    masters = [(weight, weight.data) for weight in model.parameters() if weight not in linear - embedded]
    try:
        for weight, master in masters:
            weight.data = master.to(dtype).to(master.dtype)
        yield
    finally:
        for weight, master in masters:
            weight.data = master
