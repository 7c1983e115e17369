r"""Lengths of articles and references in tokens of one model's tokenizer.

    python scripts/length_statistics.py --model MODEL_DIR --train TRAIN.parquet --validation VALIDATION.parquet --test TEST.parquet \
        --output LENGTHS.json

reads    MODEL_DIR     a Hugging Face model folder with its tokenizer
         *.parquet     id, article, reference
writes   LENGTHS.json  per split, for article and reference: min, mean, median, all percentiles (p1 to p100), max
"""

import lib.offline  # noqa: F401

if __name__ == "__main__":
    import lib.tokenizers_only  # noqa: F401

from lib.length_summary import SPLITS, TEXTS, summary
from lib.program import existing_file, existing_folder, log, parser, program
from lib.prompting import as_data, ready_tokenizer
from lib.publish import whole
from lib.records import parquet_batches, write_json


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=existing_folder)
    for split in SPLITS:
        command.add_argument(f"--{split}", required=True, type=existing_file)
    command.add_argument("--output", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    tokenizer = ready_tokenizer(args.model)
    lengths = {split: token_lengths(tokenizer, getattr(args, split)) for split in SPLITS}
    statistics = {split: {text: summary(lengths[split][text], range(1, 101)) for text in TEXTS} for split in SPLITS}
    with whole(args.output) as part:
        write_json(part, statistics)


def token_lengths(tokenizer, path):
    """Numbers of tokens, without special ones: {"article": […], "reference": […]}."""
    lengths = {text: [] for text in TEXTS}
    for rows in parquet_batches(path, TEXTS, 1000):
        for text in TEXTS:
            ids = tokenizer([as_data(tokenizer, row[text]) for row in rows], add_special_tokens=False).input_ids
            lengths[text] += map(len, ids)
        log(f"{path}: {len(lengths['article'])} rows")
    return lengths


if __name__ == "__main__":
    main()
