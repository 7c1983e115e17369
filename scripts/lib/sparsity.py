"""Which weights count as prunable, and how many of them are zero, counted in the files of a model folder."""

import pandas as pd
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from lib.model_folder import tensors
from lib.program import InputError


def prunable(model):
    """Every linear layer but the output head, by name.

    The head is tied to the embedding in SmolLM2 and in Llama-3.2-1B: zeroing it would leave the embedding as it was.
    """
    head = model.get_output_embeddings()
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear) and layer is not head}


def architecture(folder):
    """The model in `folder` without its weights: which layers there are, and what is tied."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder, local_files_only=True))
        model.tie_weights()
    return model


def sparsity_table(folder, model):
    """Columns layer, zeros, weights, sparsity (a fraction, 0 to 1); one row a prunable layer, then `prunable`, then `total`.

    `model` is the folder's, as `architecture` gives it.

    `total` is the whole model, every parameter once: 30 % of SmolLM2-360M's linear layers are 26 % of its weights.
    """
    parameters = {name: parameter.numel() for name, parameter in model.named_parameters()}  # names a tied matrix once
    counts = {name: (int((tensor == 0).sum()), tensor.numel()) for name, tensor in tensors(folder) if name in parameters}
    for name, weights in parameters.items():
        if counts.get(name, (0, 0))[1] != weights:
            raise InputError(
                f"{folder}: {name} is missing from its safetensors, or of another size; "
                f"expected the {weights} weights that config.json describes; make the model again"
            )
    layers = [(name, *counts[f"{name}.weight"]) for name in prunable(model)]
    rows = [*layers, _sum("prunable", [row[1:] for row in layers]), _sum("total", counts.values())]
    table = pd.DataFrame(rows, columns=["layer", "zeros", "weights"])
    return table.assign(sparsity=table.zeros / table.weights)


def _sum(name, counts):
    return name, sum(zeros for zeros, _ in counts), sum(weights for _, weights in counts)
