"""CoNLL-2003 from its text files into the hub's columns."""

from pathlib import Path

from datasets import ClassLabel, Dataset, Features, Sequence, Value

from lib.dataset_folder import write_splits
from lib.program import InputError

FILES = {"train": "train.txt", "validation": "valid.txt", "test": "test.txt"}
TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]  # in the order of the hub's conll2003
FEATURES = Features({"id": Value("string"), "tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=TAGS))})


def convert(texts, folder):
    """Read the three files in the folder `texts`, write a data set to `folder`; returns what was done, in a sentence."""
    splits = {}
    for split, name in FILES.items():
        sentences = read_sentences(Path(texts) / name)
        rows = [{"id": str(number), "tokens": tokens, "ner_tags": tags} for number, (tokens, tags) in enumerate(sentences)]
        splits[split] = Dataset.from_list(rows, features=FEATURES)
    about = "CoNLL-2003, English: its text files in the columns of the hub's `conll2003`. Not for redistribution."
    write_splits(folder, splits, "other", about)
    return "text files to Parquet; document marks (-DOCSTART-) left out, tokens and tags as they are"


def read_sentences(path):
    """[(tokens, ids of tags)]: one token a line, the tag in the last column, an empty line between sentences."""
    if not path.is_file():
        raise InputError(
            f"{path.name}: not there; expected the files {', '.join(FILES.values())}; name the folder that holds them as member"
        )
    sentences, tokens, tags = [], [], []
    for number, line in enumerate([*path.read_text(encoding="utf-8").split("\n"), ""], 1):
        columns = line.split(" ")
        if not line.strip() or columns[0] == "-DOCSTART-":
            if tokens:
                sentences.append((tokens, tags))
            tokens, tags = [], []
        elif columns[-1] not in TAGS or len(columns) < 2:
            raise InputError(f"{path.name}: line {number} is {line!r}; expected a token, and in the last column one of {', '.join(TAGS)}")
        else:
            tokens.append(columns[0])
            tags.append(TAGS.index(columns[-1]))
    return sentences
