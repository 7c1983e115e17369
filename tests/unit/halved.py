"""How often autocast turns a model's weights to bf16."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Halved(TorchDispatchMode):
    """Counts how often each weight, by its address, is turned to bf16."""

    def __init__(self, model):
        super().__init__()
        self.counts = {
            weight.data_ptr(): 0 for module in model.modules() if isinstance(module, torch.nn.Linear) for weight in [module.weight]
        }

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **kwargs or {})
        if function is torch.ops.aten._to_copy.default and found.dtype == torch.bfloat16 and args[0].data_ptr() in self.counts:
            self.counts[args[0].data_ptr()] += 1
        return found
