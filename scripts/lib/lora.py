"""Low-rank adapters (LoRA) by peft, of which an ordinary model is made in the end; zeros of a pruned model are left alone."""

from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from torch import nn
from torch.nn.functional import linear

from lib.program import InputError
from lib.sparsity import prunable


class MaskedLinear(Linear):
    """A linear layer with an adapter that does not touch the layer's zeros: its weight is W + (W ≠ 0) · scaling · B A.

    That is so in training as well as in what is merged, so that what is trained is what is kept.
    """

    def get_delta_weight(self, adapter):
        delta = super().get_delta_weight(adapter)
        return delta.masked_fill(self.get_base_layer().weight == 0, 0)

    def forward(self, x, *args, **kwargs):
        result = self.base_layer(x, *args, **kwargs)
        for adapter in self.active_adapters:
            result = result + linear(self.lora_dropout[adapter](x), self.get_delta_weight(adapter))
        return result


def adapted(model, lora, keep_zeros):
    """`model` (changed in place) as a PeftModel whose adapters alone are trained. Initial weights follow torch's random state.

    lora  r, alpha, dropout and targets, the last names of the linear layers that are given an adapter

    Raises InputError for a target that names none of them; the output head is tied to the embedding, and no target.
    """
    names = sorted({name.rpartition(".")[2] for name in prunable(model)})
    for target in lora["targets"]:
        if target not in names:
            raise InputError(f"training.lora.targets: found {target!r}; expected some of {', '.join(names)}; correct the list")
    config = LoraConfig(
        r=lora["r"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], target_modules=lora["targets"], task_type="CAUSAL_LM"
    )
    if keep_zeros:
        config._register_custom_module({nn.Linear: MaskedLinear})  # peft's way to bring a layer of one's own
    return get_peft_model(model, config)


def merged(model):
    """The model that `adapted` was given, with the adapters added to its weights."""
    return model.merge_and_unload()
