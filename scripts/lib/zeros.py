"""Zeros that stay zero while a pruned model is trained on."""

from transformers import TrainerCallback

from lib.program import InputError
from lib.sparsity import prunable


class KeepZeros(TrainerCallback):
    """Holds the zeros of the prunable layers of `model`, as they are now.

    Their gradients are masked, so that no momentum builds up in them and clipping does not count them; and they are set
    to zero again after each step of the optimizer, whatever it did: weight decay, momentum from before, an update of its own.
    """

    def __init__(self, model):
        weights = {name: layer.weight for name, layer in prunable(model).items()}
        self.masks = {name: weight.detach() == 0 for name, weight in weights.items()}
        self.masks = {name: mask for name, mask in self.masks.items() if mask.any()}
        if not self.masks:
            raise InputError(
                "--keep-zeros: no weight of the start model's linear layers is zero; "
                "expected a pruned model; name one, or leave the flag out"
            )
        self.weights = {name: weights[name] for name in self.masks}
        for name, weight in self.weights.items():
            # fills, since a gradient that overflowed is infinite, and infinity times zero is no zero
            weight.register_hook(lambda gradient, name=name: gradient.masked_fill(self.mask(name), 0))

    def mask(self, name):
        """The mask of a layer, on the device where its weight is by now."""
        self.masks[name] = self.masks[name].to(self.weights[name].device)
        return self.masks[name]

    def count(self):
        return sum(int(mask.sum()) for mask in self.masks.values())

    def restore(self):
        for name, weight in self.weights.items():
            weight.data.masked_fill_(self.mask(name), 0)

    def check(self):
        """Raise RuntimeError if a zero was lost."""
        for name, weight in self.weights.items():
            lost = int(((weight.detach() != 0) & self.mask(name)).sum())
            if lost:
                raise RuntimeError(f"{name}: {lost} zeros were lost in training")

    def on_optimizer_step(self, args, state, control, **kwargs):
        self.restore()

    def on_evaluate(self, args, state, control, **kwargs):  # after which weights may be kept
        self.check()

    def on_train_end(self, args, state, control, **kwargs):
        self.check()
