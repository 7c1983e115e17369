r"""Measure what scores against a reference do not see: length, copying, repetition, and whether names and numbers stand in the article.

    python scripts/qualities.py --test TEST.parquet --systems-folder results/demo/summarization/systems --systems lead3 smollm2_tuned … \
        --model results/demo/ner/model --precision auto --batch-size 24 --language en --seed 42 --output QUALITIES.json

reads    TEST.parquet                   id, article, reference
         SYSTEM/predictions.jsonl       in the folder of systems: the summaries of these articles
         --model                        the run's tagger, as ner_train.py writes it
writes   QUALITIES.json                 "reference" and "systems" (by name), each a block of {"value", "low", "high"} (95 % bootstrap
                                        intervals over the articles), null where nothing was there to count:
                                          words              mean length
                                          compression        words of the article to one of the summary, mean
                                          novel_unigrams, novel_bigrams, novel_trigrams
                                                             percent of the summary's different n-grams that the article lacks
                                          repetition         percent of trigrams that an earlier one of the same summary equals
                                          faithful_entities  percent of the summary's different entities that stand in the article
                                          faithful_numbers   percent of the summary's different numbers that stand in the article
                                        and counts: summaries, those without a word (empty: no compression), entities, numbers;
                                        beside them "entity_types", and "reason" why there are no entities

Percentages are sums over all articles. Entities (people, organizations, places) are those that the tagger finds in the summary; they
stand in the article if their words do, one after the other, whatever their case.
"""

import lib.offline  # noqa: F401

from lib.predictions import read_predictions
from lib.program import InputError, Steps, existing_file, existing_folder, model_folder, parser, program
from lib.publish import whole
from lib.qualities import Article, EntityFinder, measured, qualities
from lib.records import read_parquet, write_json
from lib.tagging import RawTagger

TYPES = ("PER", "ORG", "LOC")
CHUNK = 500  # articles whose summaries are tagged together


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--test", required=True, type=existing_file)
    command.add_argument("--systems-folder", required=True, type=existing_folder)
    command.add_argument("--systems", required=True, nargs="+", metavar="SYSTEM")
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--precision", required=True, choices=["auto", "fp32", "bf16", "fp16"])
    command.add_argument("--batch-size", required=True, type=int, help="windows in a batch of the tagger")
    command.add_argument("--language", required=True, help="the ISO code of the summaries' language")
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--output", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    rows = read_parquet(args.test, ["id", "article", "reference"])
    ids, references, predictions = read_predictions(args.systems_folder, args.systems)
    if ids != [row["id"] for row in rows]:
        raise InputError(f"{args.systems_folder}: the summaries are not of the articles in {args.test}; run the workflow again")
    tagger = RawTagger(args.model, args.precision, args.batch_size)
    types = [label for label in TYPES if label in tagger.types]
    texts = {None: references, **predictions}
    measurements, steps = {name: [] for name in texts}, Steps("article", len(rows))
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        finder = EntityFinder(tagger, args.language, types, [text for summaries in texts.values() for text in summaries[chunk]])
        for number, row in enumerate(rows[chunk], start):
            article = Article(row["article"])
            for name, summaries in texts.items():
                measurements[name].append(measured(summaries[number], finder.entities(summaries[number]), article))
            steps.at(number + 1)
    blocks = {name: qualities(sums, args.seed) for name, sums in measurements.items()}
    result = {"reference": blocks.pop(None), "systems": blocks, "entity_types": types}
    result["reason"] = None if types else f"the tagger knows none of {', '.join(TYPES)}: it finds {', '.join(tagger.types) or 'nothing'}"
    with whole(args.output) as part:
        write_json(part, result)


if __name__ == "__main__":
    main()
