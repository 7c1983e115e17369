r"""Score summaries against their references: ROUGE and BERTScore, in percent, with 95 % bootstrap intervals over the articles.

    python scripts/score.py --predictions PREDICTIONS.jsonl --stemmer --bertscore-model MODEL_DIR --bertscore-name roberta_large \
        --bertscore-layer 17 --bertscore-batch-size 32 --seed 42 --scores SCORES.json --by-article SCORES.csv

reads    PREDICTIONS.jsonl  id, prediction, reference
         MODEL_DIR          the encoder of BERTScore, with its tokenizer; --bertscore-name is what the scores call it
writes   SCORES.json        {"value", "low", "high"} of each metric, n, counts of empty texts and of references that ROUGE sees no word in,
                            versions and options of the scorers
         SCORES.csv         id and every metric, one article a row

An empty prediction scores 0 and counts in the means. ROUGE is the F-measure; BERTScore is not rescaled.
"""

import csv
from importlib.metadata import version

import lib.offline  # noqa: F401

from lib.bertscore import BERTSCORE, bertscore
from lib.intervals import mean_interval
from lib.program import InputError, existing_file, model_folder, parser, program, progress
from lib.publish import whole
from lib.records import read_jsonl, write_json
from lib.rouge import ROUGE, rouge


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--predictions", required=True, type=existing_file)
    command.add_argument("--stemmer", action="store_true", help="ROUGE compares stems instead of words")
    command.add_argument("--bertscore-model", required=True, type=model_folder)
    command.add_argument("--bertscore-name", required=True)
    command.add_argument("--bertscore-layer", required=True, type=int)
    command.add_argument("--bertscore-idf", action="store_true", help="weigh tokens by their rarity in the references")
    command.add_argument("--bertscore-batch-size", required=True, type=int)
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--scores", required=True)
    command.add_argument("--by-article", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    rows = read_jsonl(args.predictions)
    if not rows:
        raise InputError(f"{args.predictions}: no predictions; expected one a test article; run the rule that writes it again")
    predictions, references = [row["prediction"] for row in rows], [row["reference"] for row in rows]
    by_article, unseen = rouge(predictions, references, args.stemmer)
    progress(f"BERTScore of {len(rows)} summaries")
    by_article |= bertscore(
        predictions, references, args.bertscore_model, args.bertscore_layer, args.bertscore_idf, args.bertscore_batch_size
    )
    scores = {metric: mean_interval(by_article[metric], args.seed) for metric in (*ROUGE, *BERTSCORE)} | {
        "n": len(rows),
        "empty_predictions": sum(not text.strip() for text in predictions),
        "empty_references": sum(not text.strip() for text in references),
        "references_without_rouge_words": unseen,
        "versions": {name: version(name) for name in ("rouge_score", "bert_score", "transformers")},
        "options": {
            "rouge": {"measure": "fmeasure", "stemmer": args.stemmer, "sentences": "blingfire"},
            "bertscore": {"model": args.bertscore_name, "layer": args.bertscore_layer, "idf": args.bertscore_idf, "rescaled": False},
        },
    }
    with whole(args.scores) as scores_file, whole(args.by_article) as table:
        write_json(scores_file, scores)
        with open(table, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", *by_article])
            writer.writerows(zip((row["id"] for row in rows), *by_article.values(), strict=True))


if __name__ == "__main__":
    main()
