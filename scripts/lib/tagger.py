"""The tagger (N5): a token classifier of our own over XLM-R's encoder, its loss, and its predictions on windows of subwords."""

import math
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from safetensors import SafetensorError
from torch import nn
from transformers import XLMRobertaConfig, XLMRobertaModel
from transformers.modeling_outputs import TokenClassifierOutput
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaPreTrainedModel

from lib.alignment import IGNORED
from lib.device import DTYPES, device
from lib.program import InputError, progress


class XLMRobertaTagger(XLMRobertaPreTrainedModel):
    """Dropout and a linear layer on the encoder's last hidden states; labels in the config's id2label, O first.

    The weights have the names that transformers' own token classifier for XLM-R gives them, so that one can be loaded as the other.
    """

    config_class = XLMRobertaConfig
    accepts_loss_kwargs = True  # Trainer then says how many labels the whole (accumulated) batch has

    def __init__(self, config):
        super().__init__(config)
        self.roberta = XLMRobertaModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, labels=None, silent=None, num_items_in_batch=None):
        """input_ids, attention_mask  (sentences, positions)
        labels              (sentences, positions), IGNORED where no loss is computed
        silent              (sentences, labels), true where the sentence's O says nothing against a label; see `token_losses`
        num_items_in_batch  the number of labels by which the sum of losses is divided; without it, those in these sentences
        """
        hidden = self.roberta(input_ids, attention_mask=attention_mask).last_hidden_state
        logits = self.classifier(self.dropout(hidden))
        loss = None
        if labels is not None:
            losses = token_losses(logits, labels, silent)
            loss = losses.sum() / (len(losses) if num_items_in_batch is None else num_items_in_batch)
        return TokenClassifierOutput(loss=loss, logits=logits)


def token_losses(logits, labels, silent=None):
    """The loss of each label that is not IGNORED, in fp32: minus the logarithm of the probability of all that the label allows.

    A label allows itself. O (id 0) also allows the labels about which the sentence's source is silent: its annotators would have
    written O there as well. (The same as marginalizing over the unannotated types; for partially annotated corpora see
    Greenberg et al. 2018, doi:10.18653/v1/D18-1306.)
    """
    used = labels != IGNORED
    targets, logits = labels[used], logits[used].float()
    if silent is None:
        return nn.functional.cross_entropy(logits, targets, reduction="none")
    allowed = nn.functional.one_hot(targets, logits.shape[-1]).bool()
    allowed |= (targets == 0)[:, None] & silent[used.nonzero()[:, 0]]
    return logits.logsumexp(-1) - logits.masked_fill(~allowed, -torch.inf).logsumexp(-1)


# ------------------------------------------------------------------ model folders


def load_tagger(folder):
    """The tagger in `folder`, in fp32, on the device at hand. Raises InputError if it is none, or not whole."""
    return _load(folder, XLMRobertaConfig.from_pretrained(folder, local_files_only=True), expected_missing=()).to(device()).eval()


def new_tagger(backbone, labels, dropout, outside):
    """A tagger over the encoder in the folder `backbone`, with a head for `labels`: random weights, and biases by which O starts with
    the probability `outside`, its share in the data.

    Where negatives are masked the loss does not tell O from labels that a source never tags, and it adds to each as much as it
    already has: with equal biases these labels together would begin, and stay, far above O.
    """
    config = XLMRobertaConfig.from_pretrained(backbone, local_files_only=True)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.classifier_dropout = dropout
    model = _load(backbone, config, expected_missing=("classifier.",))
    model.classifier.bias.data[0] = math.log(outside / (1 - outside) * (len(labels) - 1))
    return model


def _load(folder, config, expected_missing):
    if config.model_type != "xlm-roberta":
        raise InputError(
            f"{folder}: config.json says model_type {config.model_type!r}; expected xlm-roberta; choose a backbone of that kind"
        )
    try:
        model, report = XLMRobertaTagger.from_pretrained(
            folder, config=config, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"{folder}: its weights cannot be read ({error}); expected whole safetensors; make or fetch the model again"
        ) from None
    wrong = sorted(name for name in report["missing_keys"] if not name.startswith(tuple(expected_missing)))
    if wrong:  # transformers would go on with random weights in their place
        raise InputError(f"{folder}: its safetensors lack {wrong[0]}; expected the weights that config.json says; make or fetch it again")
    return model


# ------------------------------------------------------------------ batches


def padded(lists, value):
    """Lists of different lengths as one tensor, filled up with `value`."""
    longest = max(map(len, lists))
    return torch.tensor([[*numbers, *[value] * (longest - len(numbers))] for numbers in lists])


@dataclass
class Collator:
    """Makes batches for XLMRobertaTagger of windows (dicts of input_ids, and of labels and source if they have them).

    pad     the id of the padding token
    silent  (sources, labels): LabelScheme.silent for each source
    rows    if the embedding table was cut down, the new row of each subword id
    """

    pad: int
    silent: torch.Tensor | None = None
    rows: torch.Tensor | None = None

    def __call__(self, windows):
        ids = padded([window["input_ids"] for window in windows], self.pad)
        batch = {"input_ids": ids if self.rows is None else self.rows[ids], "attention_mask": (ids != self.pad).long()}
        if "labels" in windows[0]:
            batch["labels"] = padded([window["labels"] for window in windows], IGNORED)
            batch["silent"] = self.silent[[window["source"] for window in windows]]
        return batch


def autocast(kind, precision):
    """The context in which a model with fp32 weights, on a device of this kind, computes in `precision`."""
    return nullcontext() if precision == "fp32" else torch.autocast(kind, dtype=DTYPES[precision])


@torch.no_grad()  # in inference mode autocast would turn the weights at every batch
def predict(model, windows, collator, batch_size, precision):
    """For each window the best label ids at its first subwords, their probabilities (two arrays), and the sum of its losses.

    windows   a list of dicts with input_ids and starts, and with labels and source where losses are wanted (else they are 0)

    Windows are taken longest first, so that batches hold little padding; what comes back has their order. When memory runs out, the batch
    is halved; training's own is no matter of that. Raises InputError if a single window does not fit.
    """
    was_training = model.training
    model.eval()
    results, start = [None] * len(windows), 0
    order = sorted(range(len(windows)), key=lambda number: -len(windows[number]["input_ids"]))
    with autocast(model.device.type, precision):  # around all batches, whose weights it turns once
        while start < len(order):
            numbers = order[start : start + batch_size]
            try:
                found = _predicted(model, [windows[number] for number in numbers], collator)
            except RuntimeError as error:
                if not should_reduce_batch_size(error):
                    raise
                if len(numbers) == 1:
                    raise InputError(
                        "memory ran out with 1 sentence to tag; expected it to fit; shorten max_length, or use more memory"
                    ) from None
                batch_size = len(numbers) // 2
                progress(f"out of memory with {len(numbers)} sentences to tag at once; going on with {batch_size}")
                clear_device_cache(garbage_collection=True)
                continue
            for number, result in zip(numbers, found, strict=True):
                results[number] = result
            start += len(numbers)
    model.train(was_training)
    return results


def _predicted(model, windows, collator):
    """What `predict` says of the windows of one batch."""
    batch = {name: value.to(model.device) for name, value in collator(windows).items()}
    logits = model(batch["input_ids"], batch["attention_mask"]).logits.float()
    scores, ids = (values.cpu().numpy() for values in logits.softmax(-1).max(-1))
    losses = _sums(logits, batch) if "labels" in batch else [0.0] * len(windows)
    return [(ids[line, window["starts"]], scores[line, window["starts"]], losses[line]) for line, window in enumerate(windows)]


def _sums(logits, batch):
    """The sum of losses of each window of a batch."""
    losses = token_losses(logits, batch["labels"], batch["silent"]).double()
    ends = (batch["labels"] != IGNORED).sum(1).cumsum(0)
    return nn.functional.pad(losses.cumsum(0), (1, 0))[nn.functional.pad(ends, (1, 0))].diff().tolist()
