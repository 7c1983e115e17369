"""BERTScore with bert_score, from a local model folder: no baseline, no language, no network.

The embedding and the matching are bert_score's own; the loop around them is ours, since its own embeds a reference again for every
system, and makes batches in an order that changes from process to process.
"""

from collections import defaultdict

import torch
from safetensors import SafetensorError
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig

from lib.bare import bare
from lib.device import device
from lib.program import InputError, Steps

with bare("bert_score"):  # which loads pandas and matplotlib
    from bert_score.utils import get_bert_embedding, get_idf_dict, get_model, get_tokenizer, greedy_cos_idf

BERTSCORE = ("bertscore_precision", "bertscore_recall", "bertscore_f1")
LONGEST = 512  # tokens
TEXTS = 1000  # whose embeddings stand in memory together, at most 2 GB at a width of 1,024


def bertscore(predictions, references, folder, layer, idf, batch_size):
    """Scores in percent, {system: {metric: [a score a pair]}}, and how many texts are longer than the encoder reads:
    {system: of its predictions}, of the references.

    predictions   {system: [a text a reference]}

    A pair with an empty text scores 0, since bert_score fails on one; so does one without weight: with `idf`, a text all of whose
    tokens stand in every reference.

    Raises InputError if the model has no such layer.
    """
    layers = AutoConfig.from_pretrained(folder, local_files_only=True).num_hidden_layers
    if layer > layers:
        raise InputError(
            f"summarization.bertscore.layer: found {layer}; expected one of the {layers} that the model in {folder} has; "
            f"lower it to {layers} at most"
        )
    encoder = Encoder(folder, layer, batch_size, [text for text in references if text.strip()] if idf else None)
    scores = {system: {metric: [0.0] * len(references) for metric in BERTSCORE} for system in predictions}
    truncated, truncated_references = dict.fromkeys(predictions, 0), 0
    steps = Steps("BERTScore of article", len(references))
    articles = max(1, TEXTS // (len(predictions) + 1))
    for start in range(0, len(references), articles):
        numbers = range(start, min(start + articles, len(references)))
        pairs = {(system, number): (references[number], texts[number]) for system, texts in predictions.items() for number in numbers}
        pairs = {place: pair for place, pair in pairs.items() if all(text.strip() for text in pair)}
        scored = encoder.scores(pairs.values())
        for (system, number), pair in pairs.items():
            for metric, value in zip(BERTSCORE, scored[pair], strict=True):
                scores[system][metric][number] = value
        for number in numbers:
            truncated_references += references[number] in encoder.truncated
        for system, texts in predictions.items():
            truncated[system] += sum(texts[number] in encoder.truncated for number in numbers)
        encoder.truncated.clear()
        steps.at(numbers[-1] + 1)
    return scores, truncated, truncated_references


class Place(str):
    """A folder's path as bert_score is to read it: to it, any path with a "t5" in it, as of a user student5, is that of a T5."""

    def __contains__(self, part):
        if part != "t5":
            return super().__contains__(part)
        return "t5" in AutoConfig.from_pretrained(str(self), local_files_only=True).model_type


class Encoder:
    """bert_score's model and tokenizer, cut off after `layer`.

    idf_texts   texts whose rare tokens weigh more; None: all tokens weigh the same
    truncated   the texts embedded so far of which the encoder read a part only
    """

    def __init__(self, folder, layer, batch_size, idf_texts):
        try:
            self.model, self.tokenizer = get_model(Place(folder), layer).to(device()), get_tokenizer(str(folder))
        except (OSError, ValueError, SafetensorError) as error:
            raise InputError(
                f"{folder}: no encoder that can be read ({error}); expected whole safetensors; fetch the model again"
            ) from None
        self.batch_size = batch_size
        self.limit = min(self.tokenizer.model_max_length, LONGEST)
        self.tokenizer.model_max_length = self.limit  # without one it raises OverflowError
        if idf_texts is None:
            self.weights = defaultdict(lambda: 1.0, {self.tokenizer.sep_token_id: 0, self.tokenizer.cls_token_id: 0})
        else:
            self.weights = get_idf_dict(idf_texts, self.tokenizer, nthreads=0)
        self.truncated = set()

    def scores(self, pairs):
        """{pair: precision, recall and F1 in percent} of pairs of reference and prediction; equal pairs are scored once, and equal."""
        different = list(dict.fromkeys(pairs))
        embedded = self.embeddings([text for pair in different for text in pair])
        found = {}
        for start in range(0, len(different), self.batch_size):
            batch = different[start : start + self.batch_size]
            references, predictions = ([embedded[pair[side]] for pair in batch] for side in (0, 1))
            columns = greedy_cos_idf(*_batch(references), *_batch(predictions))
            found |= zip(batch, (100 * torch.stack(columns, dim=1).double().nan_to_num(0)).tolist(), strict=True)
        return found

    def embeddings(self, texts):
        """{text: (embeddings of its tokens, tokens × width; their weights)} on the CPU; equal texts are embedded once."""
        ordered = sorted(dict.fromkeys(texts), key=lambda text: -len(text.split()))
        embedded = {}
        for start in range(0, len(ordered), self.batch_size):
            batch = ordered[start : start + self.batch_size]
            hidden, mask, weights = get_bert_embedding(batch, self.model, self.tokenizer, self.weights, device=str(device()))
            hidden, lengths = hidden.cpu(), mask.sum(dim=1).tolist()
            for line, (text, length) in enumerate(zip(batch, lengths, strict=True)):
                embedded[text] = hidden[line, :length], weights[line, :length]
                if length == self.limit and len(self.tokenizer(text.strip())["input_ids"]) > length:
                    self.truncated.add(text)
        return embedded


def _batch(texts):
    """Embeddings, mask and weights of some texts, filled up to the longest; 2 is what bert_score fills with, so that no norm is 0."""
    embeddings, weights = zip(*texts, strict=True)
    mask = pad_sequence([torch.ones(len(values), dtype=torch.bool) for values in embeddings], batch_first=True)
    padded = pad_sequence(embeddings, batch_first=True, padding_value=2.0)
    return tuple(part.to(device()) for part in (padded, mask, pad_sequence(weights, batch_first=True)))
