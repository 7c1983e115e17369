"""What flows into the linear layers of a model when it reads calibration texts."""

from contextlib import ExitStack

import torch
from torch import nn

from lib.program import InputError
from lib.sparsity import prunable


@torch.no_grad()
def input_norms(model, rows):
    """For one decoder block after another: {linear layer: L2 norm of each input feature over all tokens of `rows`, float32}.

    `rows` are lists of token ids; each is read by itself, so that nothing is padded. What the caller does to the layers of a block
    before it asks for the next one counts: the block reads the rows again, and the next one is given what then comes out.
    """
    blocks = decoder_blocks(model)
    states, arguments = entry(model, blocks, rows)
    for block in blocks:
        layers = [layer for layer in block.modules() if isinstance(layer, nn.Linear)]
        squares = {}

        def add(layer, inputs, squares=squares):
            total = inputs[0].flatten(0, -2).float().pow(2).sum(0).double()
            squares[layer] = squares.get(layer, 0) + total

        with ExitStack() as hooks:
            for layer in layers:
                hooks.callback(layer.register_forward_pre_hook(add).remove)
            for state, given in zip(states, arguments[block], strict=True):
                block(state, **given)
        yield {layer: squares[layer].sqrt().float() for layer in layers}
        states = [output(block(state, **given)) for state, given in zip(states, arguments[block], strict=True)]


def decoder_blocks(model):
    """The list of blocks that holds every prunable layer of `model`."""
    names = prunable(model)
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and names and all(layer.startswith(f"{name}.") for layer in names):
            return module
    raise InputError(
        f"{type(model).__name__}: its linear layers do not lie in one list of decoder blocks; expected a model like Llama; "
        "choose a method that needs no calibration"
    )


def entry(model, blocks, rows):
    """What the first block is given for each row, and {block: the other arguments that it is given for each row}.

    The blocks pass their input on while the model is run, so that this costs nothing, and masks may differ between blocks.
    """
    states, arguments = [], {block: [] for block in blocks}

    def passing(block):
        def forward(state, **given):
            if block is blocks[0]:
                states.append(state)
            arguments[block].append(given)
            return state

        return forward

    with ExitStack() as patches:
        for block in blocks:
            block.forward = passing(block)
            patches.callback(delattr, block, "forward")  # that of the class is seen again
        for row in rows:
            model.base_model(input_ids=torch.tensor([row], device=model.device), use_cache=False)
    return states, arguments


def output(result):
    """The hidden states among what a block returns, which is a tuple in some architectures."""
    return result[0] if isinstance(result, tuple) else result
