"""Training rows of prompt and completion, and the loss of a model on their completions; without trl, which takes seconds to import."""

from contextlib import contextmanager

import torch
from torch.nn.functional import cross_entropy

from lib.device import DTYPES
from lib.packing import IGNORED, padded
from lib.program import InputError


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
                f"max_length {max_length}: row {pair['id']} of {source} takes {empty} tokens for the prompt without its "
                f"article and {len(completion)} for its reference, which is never cut; expected room for an article; give a larger one"
            ) from None
        row = {"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion}
        if len(row["input_ids"]) > max_length or row["labels"][-len(completion) :] != completion:
            raise RuntimeError(f"row {pair['id']} was cut")
        rows.append(row)
        shortened += was_shortened
    return rows, shortened


def losses_of(model, inputs):
    """Losses of the completions' tokens in a batch, float32, sequences × positions; zero where there is no completion.

    Only positions where some sequence of the batch has a completion are projected onto the vocabulary.
    """
    targets = inputs["labels"][:, 1:]
    positions = (targets != IGNORED).any(dim=0).nonzero().squeeze(1)
    given = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**given, use_cache=False, logits_to_keep=positions).logits
    targets = targets[:, positions]
    # flat, so that the softmax runs along memory: over a transposed tensor it takes as long as the rest of the step
    return cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none").view_as(targets)


@contextmanager
def autocast_once(model, precision):
    """Arithmetic in `precision`, for which autocast turns each weight once, whatever is computed; for use without gradients.

    Of its own, autocast keeps those weights only that are to be trained.
    """
    frozen = [weight for weight in model.parameters() if weight.is_floating_point() and not weight.requires_grad]
    try:
        for weight in frozen:
            weight.requires_grad_(True)
        with torch.autocast(model.device.type, DTYPES[precision], enabled=precision != "fp32"):
            yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)


@torch.no_grad()
def completion_losses(model, rows, batch_size, pad, precision):
    """[sum of losses, number of tokens] of the completion of each row, float64, rows × 2: the same whatever batches they fall into.

    precision  of the arithmetic, by autocast; fp32 leaves it to the dtype of the model
    """
    found = torch.zeros(len(rows), 2, dtype=torch.float64)
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index]["input_ids"]))
    was_training = model.training
    model.eval()
    with autocast_once(model, precision):
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = {name: value.to(model.device) for name, value in padded([rows[index] for index in chosen], pad).items()}
            losses = losses_of(model, batch).double().sum(dim=1)
            tokens = (batch["labels"][:, 1:] != IGNORED).sum(dim=1)
            found[chosen] = torch.stack([losses, tokens.double()], dim=1).cpu()
    model.train(was_training)
    return found
