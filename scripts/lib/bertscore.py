"""BERTScore with bert_score, from a local model folder: no baseline, no language, no network."""

from bert_score import BERTScorer
from transformers import AutoConfig

from lib.device import device
from lib.program import InputError

BERTSCORE = ("bertscore_precision", "bertscore_recall", "bertscore_f1")
LONGEST = 512  # tokens


def bertscore(predictions, references, folder, layer, idf, batch_size):
    """Scores in percent: {metric: [a score a pair]}. A pair with an empty text scores 0, since bert_score fails on one.

    Raises InputError if the model has no such layer.
    """
    layers = AutoConfig.from_pretrained(folder, local_files_only=True).num_hidden_layers
    if layer > layers:
        raise InputError(f"summarization.bertscore.layer: found {layer}; the model in {folder} has {layers}; lower it to {layers} at most")
    full = [index for index, pair in enumerate(zip(predictions, references, strict=True)) if all(text.strip() for text in pair)]
    scores = {metric: [0.0] * len(predictions) for metric in BERTSCORE}
    if full:
        scorer = BERTScorer(
            model_type=str(folder),
            num_layers=layer,
            batch_size=batch_size,
            idf=idf,
            idf_sents=[references[index] for index in full] if idf else None,
            device=str(device()),
        )
        scorer._tokenizer.model_max_length = min(scorer._tokenizer.model_max_length, LONGEST)  # without a limit it raises OverflowError
        columns = scorer.score([predictions[index] for index in full], [references[index] for index in full])
        for metric, column in zip(BERTSCORE, columns, strict=True):
            for index, value in zip(full, column.tolist(), strict=True):
                scores[metric][index] = 100 * value
    return scores
