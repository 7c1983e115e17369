r"""Find what is wrong with data sets of tagged sentences as downloaded, count it, and say what was done about it.

    python scripts/ner_audit.py --folders CONLL_DIR PERSIAN_DIR --datasets '[{"name": "conll2003", …}, {"name": …}]' \
        --labels LABELS.json --cleaning CLEANING.json --rows ROWS.parquet --backbone MODEL_DIR --max-length 512 \
        --near-threshold 0.8 --near-characters 5 --output AUDIT.json

reads    *_DIR          data sets as the hub lays them out, in the order of --datasets
         LABELS.json    the label scheme, as ner_clean.py writes it
         CLEANING.json  what cleaning did, as ner_clean.py writes it
         ROWS.parquet   what became of each downloaded row, as ner_clean.py writes it
         MODEL_DIR      the encoder, for its tokenizer
writes   AUDIT.json     datasets: rows, tokens and different sentences of each split; findings: id, data set, split, count, share,
                        examples, the fix, whether it is on and how many rows it changed; nothing_found: ids of checks without a finding;
                        subwords: of the train splits of each language, words, subwords, subwords a word and of the longest word

--datasets holds what ner.datasets of the configuration says, as lists, so that the order of data sets and of sources counts.
"""

import lib.offline  # noqa: F401

if __name__ == "__main__":
    import lib.tokenizers_only  # noqa: F401

import numpy as np

from lib.audit import Audit, AuditedDataset, Fixes, read_rows, subwords_per_word
from lib.labels import LabelScheme
from lib.model_tokenizer import load_tokenizer
from lib.ner_data import DatasetSpec, RawDataset
from lib.program import existing_file, existing_folder, json_value, parser, program, progress
from lib.publish import whole
from lib.records import read_json, write_json

BATCH = 10_000  # tokens given to the tokenizer at once


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--folders", required=True, type=existing_folder, nargs="+")
    command.add_argument("--datasets", required=True, type=json_value)
    command.add_argument("--labels", required=True, type=existing_file)
    command.add_argument("--cleaning", required=True, type=existing_file)
    command.add_argument("--rows", required=True, type=existing_file)
    command.add_argument("--backbone", required=True, type=existing_folder)
    command.add_argument("--max-length", required=True, type=int, help="subwords in a window, special tokens included")
    command.add_argument("--near-threshold", required=True, type=float, help="least Jaccard similarity of near-duplicates")
    command.add_argument("--near-characters", required=True, type=int, help="characters of the n-grams of which it is the similarity")
    command.add_argument("--output", required=True)
    args = command.parse_args(argv)
    if len(args.folders) != len(args.datasets):
        command.error(f"--folders: found {len(args.folders)} for {len(args.datasets)} data sets; expected one for each")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    specs = [DatasetSpec.of(entry) for entry in args.datasets]
    scheme, cleaning = LabelScheme.read(args.labels), read_json(args.cleaning)
    tokenizer = load_tokenizer(args.backbone)
    datasets = []
    for spec, folder in zip(specs, args.folders, strict=True):
        datasets.append(AuditedDataset(RawDataset(spec, folder)))
        progress(f"{spec.name}: {sum(map(len, datasets[-1].splits.values()))} rows read")
    near, rows = (args.near_threshold, args.near_characters), read_rows(args.rows)
    audit = Audit(datasets, scheme, cleaning, subword_counter(tokenizer), args.max_length, near, rows)
    findings, nothing = audit.run()
    progress(f"{len(findings)} findings")
    fixes = Fixes(audit)
    with whole(args.output) as part:
        write_json(
            part,
            {
                "datasets": [size(dataset, split) for dataset in datasets for split in dataset.splits.values()],
                "findings": [finding.as_dict(fixes) for finding in findings],
                "nothing_found": nothing,
                "subwords": subwords_per_word(audit),
            },
        )


def subword_counter(tokenizer):
    """A function from a list of tokens to two arrays over them: subwords of each token, and unknown ones among them."""

    def count(tokens):
        sizes, unknown = np.zeros(len(tokens), dtype=int), np.zeros(len(tokens), dtype=int)
        for start in range(0, len(tokens), BATCH):
            # a word's subwords do not depend on its neighbours where words are given one by one
            batch = [[token] for token in tokens[start : start + BATCH]]
            encoded = tokenizer(batch, is_split_into_words=True, add_special_tokens=False, return_attention_mask=False)["input_ids"]
            for code, ids in enumerate(encoded, start):
                sizes[code], unknown[code] = len(ids), ids.count(tokenizer.unk_token_id)
        return sizes, unknown

    return count


def size(dataset, split):
    return {
        "dataset": dataset.spec.name,
        "language": dataset.spec.language,
        "split": split.name,
        "rows": len(split),
        "tokens": len(split.codes),
        "different_sentences": len(np.unique(split.digests)),
    }


if __name__ == "__main__":
    main()
