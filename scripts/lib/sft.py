"""Supervised fine-tuning on prompt and completion: training rows, and trl's trainer with the loss on the completion only."""

import torch
from trl import SFTTrainer

from lib.program import InputError

IGNORED = -100  # the label of a token that no loss is computed on


def training_rows(tokenizer, template, pairs, max_length, source):
    """`pairs` (dicts of id, article, reference) as rows of input_ids and labels of at most `max_length` tokens, and how many articles
    were shortened.

    A row is the prompt that generation would give the model, then the completion, whole: only the article gives way.
    Raises InputError, naming `source` and the row, if a pair has no article or no reference, or does not fit without its article.
    """
    empty, rows, shortened = len(template.token_ids(tokenizer, template.prompt(tokenizer, ""))), [], 0
    for pair in pairs:
        for part in ("article", "reference"):
            if not pair[part].strip():
                raise InputError(f"{source}: row {pair['id']} has an empty {part}; expected text; leave the row out")
        completion = template.completion_ids(tokenizer, pair["reference"])
        try:
            prompt, was_shortened = template.fitted(tokenizer, pair["article"], max_length - len(completion))
        except InputError:
            raise InputError(
                f"training.max_length {max_length}: row {pair['id']} of {source} takes {empty} tokens for the prompt without its "
                f"article and {len(completion)} for its reference, which is never cut; expected room for an article; give a larger one"
            ) from None
        row = {"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion}
        if len(row["input_ids"]) > max_length or row["labels"][-len(completion) :] != completion:
            raise RuntimeError(f"row {pair['id']} was cut")
        rows.append(row)
        shortened += was_shortened
    return rows, shortened


class CompletionTrainer(SFTTrainer):
    """trl's SFTTrainer, with the same loss for less work, and a validation loss that does not depend on how rows fall into batches.

    Without Triton, trl's own loss projects every position onto the vocabulary, and again in the backward pass. Here only
    positions where some row of the batch has a completion are projected.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.validation = torch.zeros(2, dtype=torch.float64)  # sum of losses, number of tokens

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        targets = inputs["labels"][:, 1:]
        positions = (targets != IGNORED).any(dim=0).nonzero().squeeze(1)
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False, logits_to_keep=positions)
        targets = targets[:, positions]
        total = torch.nn.functional.cross_entropy(
            outputs.logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        tokens = (targets != IGNORED).sum()
        if not model.training:
            self.validation += torch.stack([total.detach(), tokens]).to(self.validation)
        loss = total / (tokens if num_items_in_batch is None else num_items_in_batch)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            loss = loss * self.accelerator.num_processes  # the tokens are those of every process, and gradients are averaged
        return (loss, outputs) if return_outputs else loss

    def log(self, logs, start_time=None):
        if "eval_loss" in logs:
            total, tokens = self.accelerator.reduce(self.validation.to(self.args.device), "sum").tolist()
            logs["eval_loss"] = total / tokens
            self.validation.zero_()
        super().log(logs, start_time)
