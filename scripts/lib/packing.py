"""Several training rows in one sequence, none of which sees another: no padding between them, and the same losses."""

import torch

from lib.program import InputError

IGNORED = -100  # the label of a token that no loss is computed on
ALIKE = 1e-3  # the largest difference between log-probabilities that rounding in fp32 explains; rows that see each other differ by more


def padded(rows, pad):
    """A batch of `rows` (dicts of the lists input_ids and labels), each in a sequence of its own, padded on the right.

    input_ids, attention_mask, labels: int64 tensors, rows × the longest row.
    """
    longest = max(len(row["input_ids"]) for row in rows)

    def tensor(parts, filler):
        return torch.tensor([[*part, *[filler] * (longest - len(part))] for part in parts])

    return {
        "input_ids": tensor([row["input_ids"] for row in rows], pad),
        "attention_mask": tensor([[1] * len(row["input_ids"]) for row in rows], 0),
        "labels": tensor([row["labels"] for row in rows], IGNORED),
    }


def packed(rows, pad, limit):
    """The same rows in as few sequences of at most `limit` tokens as first-fit decreasing finds.

    input_ids, position_ids, labels: int64 tensors, sequences × the longest sequence. Positions begin again at each row, and there is
    no attention mask: from both, transformers' attention knows that rows are not to see each other. Padding is one more row.
    """
    sequences = [{"input_ids": [], "position_ids": [], "labels": []} for _ in rows]
    for row in sorted(rows, key=lambda row: -len(row["input_ids"])):
        length = len(row["input_ids"])
        place = next(sequence for sequence in sequences if not sequence["input_ids"] or len(sequence["input_ids"]) + length <= limit)
        place["input_ids"] += row["input_ids"]
        place["labels"] += row["labels"]
        place["position_ids"] += range(length)
    sequences = [sequence for sequence in sequences if sequence["input_ids"]]
    longest = max(len(sequence["input_ids"]) for sequence in sequences)
    for sequence in sequences:
        free = longest - len(sequence["input_ids"])
        sequence["input_ids"] += [pad] * free
        sequence["labels"] += [IGNORED] * free
        sequence["position_ids"] += range(free)
    return {name: torch.tensor([sequence[name] for sequence in sequences]) for name in ("input_ids", "position_ids", "labels")}


class Collator:
    """Batches of training rows: padded, or packed into sequences of at most `limit` tokens."""

    def __init__(self, pad, packing, limit):
        self.pad, self.packing, self.limit = pad, packing, limit

    def __call__(self, rows):
        return packed(rows, self.pad, self.limit) if self.packing else padded(rows, self.pad)


@torch.no_grad()
def check_exact(model, rows, pad):
    """Raise InputError unless `model` (in fp32) computes the same in packed rows as in separate ones.

    Not all architectures and attention implementations look at positions; measured on the ends of two of the `rows`.
    """
    ends = [{key: row[key][-16:] for key in ("input_ids", "labels")} for row in (rows[0], rows[-1])]
    was_training = model.training
    model.eval()
    together = packed(ends, pad, 32)
    found = model(
        input_ids=together["input_ids"].to(model.device), position_ids=together["position_ids"].to(model.device), use_cache=False
    ).logits[0]
    ends.sort(key=lambda row: -len(row["input_ids"]))
    alone = [model(input_ids=torch.tensor([row["input_ids"]], device=model.device), use_cache=False).logits[0] for row in ends]
    model.train(was_training)
    difference = (found.log_softmax(-1) - torch.cat(alone).log_softmax(-1)).abs().max().item()
    if not difference <= ALIKE:
        raise InputError(
            f"training.packing: true, but {type(model).__name__} with {model.config._attn_implementation} attention lets packed rows see "
            f"each other (log-probabilities differ by {difference:.2g}); expected no difference; set packing to false"
        )
