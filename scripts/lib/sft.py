"""Supervised fine-tuning on prompt and completion: trl's trainer, with the loss on the completion only."""

from contextlib import nullcontext

import torch
from trl import SFTTrainer

from lib.completions import completion_losses, losses_of
from lib.device import DTYPES
from lib.master_weights import rounded
from lib.packing import IGNORED
from lib.sampling import GroupedByLength

AT_ONCE = 1280  # tokens that a CPU trains on at once: each part writes a gradient of every weight, and holds its own activations


def parts_of(batch):
    """A batch (tensors, rows × positions) in parts of at most AT_ONCE tokens, or of a single row; padding that no row needs is gone."""
    rows = max(1, AT_ONCE // batch["input_ids"].shape[1])
    parts = [{name: value[start : start + rows] for name, value in batch.items()} for start in range(0, len(batch["input_ids"]), rows)]
    lengths = [int(part["attention_mask"].sum(dim=1).max()) if "attention_mask" in part else None for part in parts]
    return [{name: value[:, :length] for name, value in part.items()} for part, length in zip(parts, lengths, strict=True)]


class CompletionTrainer(SFTTrainer):
    """trl's SFTTrainer, with the same loss for less work (without Triton, trl's own projects every position, twice).

    Which rows an optimizer step sees depends on the effective batch alone, not on how it is shared between processes, divided for
    memory, or packed. (With several processes the last batches of an epoch are filled up with rows from its beginning.) On a CPU the
    rows of a batch go through the model in parts, whose gradients add up to those of the batch.
    The validation loss is that of all tokens of all completions, each once. `sequences` counts those that were trained on.

    stored   the dtype in which the weights will be stored: the validation losses in training are of weights rounded to it; None: as
             they are
    """

    def __init__(self, *args, stored=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.stored, self.sequences = stored, 0
        if self.args.device.type == "cpu" and self.args.world_size == 1:
            table, head = self.model.get_input_embeddings(), self.model.get_output_embeddings()
            table.sparse = head is not None and head.weight is table.weight  # its gradient adds to the head's in the rows in use alone

    @property
    def precision(self):
        """Of the arithmetic: the name of a dtype."""
        return "bf16" if self.args.bf16 else "fp16" if self.args.fp16 else "fp32"

    def training_step(self, model, inputs, num_items_in_batch=None):
        self.sequences += len(inputs["input_ids"])
        if self.args.device.type != "cpu" or num_items_in_batch is None:  # without the number, a loss is the mean of what it sees
            return super().training_step(model, inputs, num_items_in_batch)
        parts, loss = parts_of(inputs), 0.0
        with torch.autocast("cpu", enabled=False):  # until the outermost ends, trained weights that those within turned to bf16 stay
            for number, part in enumerate(parts, start=1):
                with nullcontext() if number == len(parts) else self.accelerator.no_sync(model):
                    loss += super().training_step(model, part, num_items_in_batch)
        return loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        losses = losses_of(model, inputs)
        tokens = (inputs["labels"][:, 1:] != IGNORED).sum()
        loss = losses.sum() / (tokens if num_items_in_batch is None else num_items_in_batch)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # the tokens are those of every process, and gradients are averaged
        return (loss, losses) if return_outputs else loss

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        with rounded(self.model, self.stored, DTYPES[self.precision] == self.stored) if self.stored else nullcontext():
            logs = {f"{metric_key_prefix}_loss": self.validation_loss(self.model)}
        self.log(logs)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, logs)
        return logs

    def validation_loss(self, model):
        """The mean loss of a token on the validation rows, of which each process reads its share."""
        share = list(self.eval_dataset)[self.args.process_index :: self.args.world_size]
        losses = completion_losses(model, share, self.args.per_device_eval_batch_size, self.processing_class.pad_token_id, self.precision)
        total, tokens = self.accelerator.reduce(losses.sum(dim=0).to(self.args.device), "sum").tolist()
        return total / tokens

    def _get_train_sampler(self, train_dataset=None):
        return GroupedByLength(list(map(len, self.train_dataset["input_ids"])), self)

    def state_dict(self):
        return {"sequences": self.sequences}

    def load_state_dict(self, state):
        self.sequences = state["sequences"]
