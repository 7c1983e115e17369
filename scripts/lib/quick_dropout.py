"""Dropout on a CPU, where the random numbers that torch draws for it are a seventh of the arithmetic of a tagger's training."""

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

BITS = 16  # of randomness for a number; a draw is one of 64


class QuickDropout(TorchFunctionMode):
    """A context in which dropout on a CPU takes less than half of its time. Its generator is torch's own, which checkpoints keep.

    The share that is dropped is rounded to a multiple of 2^-16, and what stays is scaled by just that, so that the mean is kept.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return (dropout if function is nn.functional.dropout else function)(*args, **(kwargs or {}))


def dropout(input, p=0.5, training=True, inplace=False):
    dropped = round(p * 2**BITS)
    if not training or inplace or input.device.type != "cpu" or not 0 < dropped < 2**BITS:
        return nn.functional.dropout(input, p, training, inplace)
    draws = torch.empty(-(-input.numel() * BITS // 64), dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.int16)[: input.numel()].view(input.shape) >= dropped - 2 ** (BITS - 1)
    return input * kept.to(input.dtype).mul_(2**BITS / (2**BITS - dropped))
