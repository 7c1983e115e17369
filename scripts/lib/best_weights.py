"""The weights with which a training did best on validation."""

import math

import torch
from transformers import TrainerCallback

from lib.program import InputError


class BestWeights(TrainerCallback):
    """Keeps, in memory, the trained weights of `model` as they were at the lowest validation loss: the first among equals.

    The state before training does not count: whoever asks for a tuned model is given one, and the loss before stands beside it.
    A copy is made only when the loss improves. It is in `dtype`, that of the file that the weights are for, so that it costs as
    little as that file; None keeps their own.
    """

    def __init__(self, model, dtype=None):
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.dtype, self.kept, self.loss, self.step = dtype, {}, math.inf, None

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        if state.global_step and metrics["eval_loss"] < self.loss:
            self.loss, self.step = metrics["eval_loss"], state.global_step
            self.kept = {name: weight.detach().to("cpu", self.dtype or weight.dtype, copy=True) for name, weight in self.weights.items()}

    def state_dict(self):
        return {"loss": self.loss, "step": self.step, "kept": self.kept}

    def load_state_dict(self, state):
        self.loss, self.step, self.kept = state["loss"], state["step"], state.get("kept", {})

    @torch.no_grad()
    def restore(self):
        """Put the best weights back. Raises InputError if no validation loss was a number."""
        if self.step is None:
            raise InputError("training: the validation loss was no number after any step; expected one; lower learning_rate")
        for name, weight in self.weights.items():
            weight.copy_(self.kept.pop(name))
