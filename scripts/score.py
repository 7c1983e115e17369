r"""Score the summaries of all systems: ROUGE and BERTScore in percent, with 95 % bootstrap intervals over the articles.

    python scripts/score.py --systems-folder results/demo/summarization/systems --systems lead3 smollm2_tuned … --stemmer \
        --bertscore-model MODEL_DIR --bertscore-name roberta_large --bertscore-layer 17 --bertscore-batch-size 32 --seed 42

reads    SYSTEM/predictions.jsonl        in the folder of systems: id, prediction, reference; the same articles in every system
         MODEL_DIR                       the encoder of BERTScore, with its tokenizer; --bertscore-name is what the scores call it
writes   SYSTEM/scores.json              {"value", "low", "high"} of each metric, n, counts of empty texts, of references that ROUGE sees
                                         no word in, of pairs too long for ROUGE, of texts longer than BERTScore's encoder reads
                                         (truncated), versions and options of the scorers
         SYSTEM/scores_by_article.csv    id and every metric, one article a row

All systems in one go, so that each reference is embedded once. An empty prediction scores 0 and counts in the means. ROUGE is the
F-measure; BERTScore is not rescaled.
"""

import csv
import os
from contextlib import ExitStack
from importlib.metadata import version

import lib.offline  # noqa: F401

import numpy as np

from lib.bertscore import BERTSCORE, bertscore
from lib.intervals import mean_intervals
from lib.predictions import read_predictions
from lib.program import existing_folder, model_folder, parser, positive, program, progress
from lib.publish import whole
from lib.records import write_json
from lib.rouge import ROUGE, rouge

METRICS = (*ROUGE, *BERTSCORE)


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--systems-folder", required=True, type=existing_folder)
    command.add_argument("--systems", required=True, nargs="+", metavar="SYSTEM")
    command.add_argument("--stemmer", action="store_true", help="ROUGE compares stems instead of words")
    command.add_argument("--bertscore-model", required=True, type=model_folder)
    command.add_argument("--bertscore-name", required=True)
    command.add_argument("--bertscore-layer", required=True, type=int)
    command.add_argument("--bertscore-idf", action="store_true", help="weigh tokens by their rarity in the references")
    command.add_argument("--bertscore-batch-size", required=True, type=positive)
    command.add_argument("--seed", required=True, type=int)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    # of each of the many shapes oneDNN would keep a kernel, in the way of the next batches' memory, which then grows with the articles;
    # it reads this when it first computes
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
    ids, references, predictions = read_predictions(args.systems_folder, args.systems)
    progress(f"{len(predictions)} systems, {len(ids)} articles")
    columns, unseen, cut = rouge(predictions, references, args.stemmer)
    of_bertscore, truncated, truncated_references = bertscore(
        predictions, references, args.bertscore_model, args.bertscore_layer, args.bertscore_idf, args.bertscore_batch_size
    )
    with ExitStack() as outputs:
        for system, texts in predictions.items():
            by_article = columns[system] | of_bertscore[system]
            intervals = mean_intervals(np.array([by_article[metric] for metric in METRICS]).T, args.seed)
            scores = dict(zip(METRICS, intervals, strict=True)) | {
                "n": len(ids),
                "empty_predictions": sum(not text.strip() for text in texts),
                "empty_references": sum(not text.strip() for text in references),
                "references_without_rouge_words": unseen,
                "pairs_cut_for_rouge": cut[system],
                "truncated": {"predictions": truncated[system], "references": truncated_references},
                "versions": {name: version(name) for name in ("rouge_score", "bert_score", "transformers")},
                "options": {
                    "rouge": {"measure": "fmeasure", "stemmer": args.stemmer, "sentences": "blingfire"},
                    "bertscore": {
                        "model": args.bertscore_name,
                        "layer": args.bertscore_layer,
                        "idf": args.bertscore_idf,
                        "rescaled": False,
                    },
                },
            }
            folder = args.systems_folder / system
            write_json(outputs.enter_context(whole(folder / "scores.json")), scores)
            write_table(outputs.enter_context(whole(folder / "scores_by_article.csv")), ids, by_article)


def write_table(path, ids, by_article):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *METRICS])
        writer.writerows(zip(ids, *(by_article[metric] for metric in METRICS), strict=True))


if __name__ == "__main__":
    main()
