r"""Bring data sets of tagged sentences onto one scheme, clean them step by step, and merge them.

    python scripts/ner_clean.py --folders CONLL_DIR PERSIAN_DIR --datasets '[{"name": "conll2003", …}, {"name": …}]' \
        --cleaning '{"drop_empty": true, …}' --label-scheme masked_union \
        --near-threshold 0.8 --near-characters 5 --seed 42 \
        --train TRAIN.parquet --validation VALIDATION.parquet --test TEST.parquet --labels LABELS.json --report CLEANING.json \
        --rows ROWS.parquet

reads    *_DIR          data sets as the hub lays them out, in the order of --datasets
writes   *.parquet      tokens, ner_tags (IOB2 names with '-'), language, source; data sets one after the other, rows in their order
         LABELS.json    the scheme: name, types, labels in the order of their ids, and for each source its data set, language and types
         CLEANING.json  what each step does and did, per data set and split; rows and entities before and after; rows of each source;
                       how many of the sentences used have which length in words, a width of the bins and the counts of each data set
                       and split; threshold and n-grams of near-duplicates; languages of train
         ROWS.parquet   a row a downloaded row, in their order: dataset, split; for each step whether it changed the row or left it out;
                       held_out (it moved from train to validation); kept (it stands in one of the merged files)

--datasets holds what ner.datasets of the configuration says, as lists, so that the order of data sets and of sources counts.
Splits are not drawn anew; where a data set has no validation split, a seeded tenth of its train sentences becomes one.
With --train-languages en fa, train and validation hold these languages only and test holds all; types that no source of these
languages annotates are left out of the scheme.
"""

import tempfile
from array import array
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import lib.offline  # noqa: F401

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.cleaning import HELD_OUT, ROW_STEPS, RULES, clean_row, held_out, is_iob2, key_of, sample, tagging_of
from lib.labels import SCHEMES, LabelScheme, only
from lib.length_summary import histograms
from lib.near_duplicates import NearDuplicates, deduplicate_near
from lib.ner_data import SPLITS, DatasetSpec, RawDataset, SourceFinder, TagReader, entity_counts
from lib.program import InputError, existing_folder, json_value, parser, program, progress
from lib.publish import whole
from lib.records import parquet_batches, write_json

SCHEMA = pa.schema(
    [("tokens", pa.list_(pa.string())), ("ner_tags", pa.list_(pa.string())), ("language", pa.string()), ("source", pa.string())]
)


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--folders", required=True, type=existing_folder, nargs="+")
    command.add_argument("--datasets", required=True, type=json_value)
    command.add_argument("--cleaning", required=True, type=json_value, help="the steps, each true or false")
    command.add_argument("--label-scheme", required=True, choices=SCHEMES)
    command.add_argument("--near-threshold", required=True, type=float, help="least Jaccard similarity of near-duplicates")
    command.add_argument("--near-characters", required=True, type=int, help="characters of the n-grams of which it is the similarity")
    command.add_argument("--train-languages", nargs="+", help="of the data sets; without it, all")
    command.add_argument("--seed", required=True, type=int)
    for split in SPLITS:
        command.add_argument(f"--{split}", required=True)
    command.add_argument("--labels", required=True)
    command.add_argument("--report", required=True)
    command.add_argument("--rows", required=True)
    args = command.parse_args(argv)
    if len(args.folders) != len(args.datasets):
        command.error(f"--folders: found {len(args.folders)} for {len(args.datasets)} data sets; expected one for each")
    if set(args.cleaning) != set(RULES):
        command.error(f"--cleaning: found {', '.join(sorted(args.cleaning))}; expected {', '.join(RULES)}")
    languages = {entry["language"] for entry in args.datasets}
    for language in args.train_languages or ():
        if language not in languages:
            command.error(f"--train-languages: found {language!r}; expected some of {', '.join(sorted(languages))}")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    steps = [step for step in RULES if args.cleaning[step]]
    specs = [DatasetSpec.of(entry) for entry in args.datasets]
    scheme = LabelScheme.of(args.label_scheme, specs, args.train_languages)
    near, report, fates = (args.near_threshold, args.near_characters), Report(), Fates()
    with tempfile.TemporaryDirectory() as work, ExitStack() as outputs:
        stores, frames = {}, []  # (data set, split as downloaded) → the file of its rows, cleaned one by one
        for spec, folder in zip(specs, args.folders, strict=True):
            raw = RawDataset(spec, folder)
            sources = SourceFinder(raw)
            for split in raw.splits:
                stores[spec.name, split] = store = Path(work) / f"{len(stores)}.arrow"
                frames.append(clean_rows(raw, split, sources, scheme, steps, store, report, fates))
                progress(f"{spec.name} {split}: {len(frames[-1])} rows cleaned")
        frame = choose_rows(merged(frames), specs, steps, stores, near, args.seed, report, fates)
        frame = sampled(frame, specs, args.train_languages, args.seed, report)
        fates.mark("kept", frame)

        paths = {split: outputs.enter_context(whole(getattr(args, split))) for split in SPLITS}
        for split, path in paths.items():
            rows = write_split(path, frame[frame["split"] == split], stores, specs, report, split)
            if not rows:
                raise InputError(f"ner.datasets: no sentence is left in {split}; expected some; raise its limits, or look at {args.report}")
            progress(f"{split}: {rows} sentences")
        check(paths, steps, scheme, near)
        write_json(outputs.enter_context(whole(args.labels)), scheme.as_dict())
        write_json(outputs.enter_context(whole(args.report)), report.as_dict(scheme, specs, args))
        fates.write(outputs.enter_context(whole(args.rows)))


def clean_rows(raw, split, sources, scheme, steps, store, report, fates):
    """Write the rows of a split, cleaned one by one, to `store`; return a frame with a line a row that is left."""
    spec, tags_of = raw.spec, TagReader(raw.spec)
    where = spec.name, split
    columns = {"row": array("i"), "number": array("i"), "key": array("Q"), "tagging": array("Q"), "length": array("i")}
    fates.begin(where, len(raw.splits[split]))
    written = 0
    with pa.OSFile(str(store), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for rows in raw.batches(split):
            kept = []
            for row in rows:
                if "drop_unequal" in steps and len(row.tokens) != len(row.names):
                    report.downloaded(where, None, row.tokens, [])  # which tag is whose is unknown, and so is the source
                    report.changed("drop_unequal", where, rows=1, removed=1, tokens=len(row.tokens))
                    fates.add("drop_unequal", where, row.number)
                    continue
                tags = tags_of.read(row, split)
                source = sources.of(row.tokens, tags)
                report.downloaded(where, source, row.tokens, tags)
                tokens, tags, changed = clean_row(row.tokens, only(tags, scheme.types), spec.language, steps)
                for step, count in changed.items():
                    report.changed(step, where, rows=1, removed=step == "drop_empty" and not tokens, tokens=count)
                    fates.add(step, where, row.number)
                if not tokens:
                    if "drop_empty" not in steps:
                        raise InputError(
                            f"data set {spec.name}, split {split}, row {row.number}: a sentence without tokens; expected at least one; "
                            "turn on ner.cleaning.drop_empty"
                        )
                    if not row.tokens:  # there was no token to drop
                        report.changed("drop_empty", where, rows=1, removed=1, tokens=0)
                        fates.add("drop_empty", where, row.number)
                    continue
                columns["row"].append(written + len(kept))
                columns["number"].append(row.number)
                columns["key"].append(key_of(tokens, spec.language))
                columns["tagging"].append(tagging_of(tokens, tags, spec.language))
                columns["length"].append(len(tokens))
                kept.append({"tokens": tokens, "ner_tags": tags, "language": spec.language, "source": source})
            writer.write_table(pa.Table.from_pylist(kept, schema=SCHEMA))
            written += len(kept)
    types = {"row": np.int32, "number": np.int32, "key": np.uint64, "tagging": np.uint64, "length": np.int32}
    return pd.DataFrame({name: np.array(values, dtype=types[name]) for name, values in columns.items()}).assign(
        dataset=spec.name, downloaded_split=split, split=split
    )


def merged(frames):
    """One frame, in which names of data sets and splits take a byte a row."""
    frame = pd.concat(frames, ignore_index=True)
    names = pd.CategoricalDtype(frame["dataset"].unique())
    return frame.astype({"dataset": names, "downloaded_split": pd.CategoricalDtype(SPLITS), "split": pd.CategoricalDtype(SPLITS)})


def choose_rows(frame, specs, steps, stores, near, seed, report, fates):
    """The lines of the rows that the steps leave, with the split that each belongs to."""
    for spec in specs:
        mine = frame["dataset"] == spec.name
        if not (mine & (frame["split"] == "validation")).any():
            train = mine & (frame["split"] == "train")
            chosen = held_out(frame.loc[train, "key"].to_numpy(), seed, f"{spec.name}/validation")
            frame.loc[frame.index[train][chosen], "split"] = "validation"
            report.held_out[spec.name] = int(chosen.sum())
            fates.mark("held_out", frame.loc[frame.index[train][chosen]])
    row_steps = {**ROW_STEPS, "deduplicate_near": lambda frame: deduplicate_near(frame, Sentences(frame, stores, specs), *near)}
    for step, gone in row_steps.items():
        if step in steps:
            removed = gone(frame)
            for where, lines in frame[removed].groupby(["dataset", "split"], sort=False, observed=True):
                report.changed(step, where, rows=len(lines), removed=len(lines), tokens=int(lines["length"].sum()))
            fates.mark(step, frame[removed])
            frame = frame[~removed]
            progress(f"{step}: {removed.sum()} rows left out")
    return frame


def sampled(frame, specs, train_languages, seed, report):
    """The lines of the rows that are written, data sets and splits in their order."""
    kept = []
    for spec in specs:
        for split in SPLITS:
            lines = frame[(frame["dataset"] == spec.name) & (frame["split"] == split)]
            report.left[spec.name, split] = len(lines)
            if split == "test" or train_languages is None or spec.language in train_languages:
                kept.append(lines.iloc[sample(len(lines), spec.limit.get(split), seed, f"{spec.name}/{split}")])
    return pd.concat(kept)


class Sentences:
    """A function from the position of a frame's line to the tokens and the language of its row, which stay on disk."""

    def __init__(self, frame, stores, specs):
        languages = {spec.name: spec.language for spec in specs}
        self.files = {}  # (data set, split as downloaded), each as its code in the frame → its rows' tokens, language
        for (name, downloaded), store in stores.items():
            codes = frame["dataset"].cat.categories.get_loc(name), frame["downloaded_split"].cat.categories.get_loc(downloaded)
            self.files[codes] = pa.ipc.open_file(pa.memory_map(str(store))).read_all()["tokens"], languages[name]
        self.datasets, self.splits = frame["dataset"].cat.codes.to_numpy(), frame["downloaded_split"].cat.codes.to_numpy()
        self.rows = frame["row"].to_numpy()

    def __call__(self, line):
        tokens, language = self.files[self.datasets[line], self.splits[line]]
        return tokens[self.rows[line]].as_py(), language


def write_split(path, lines, stores, specs, report, split):
    """Write the rows that `lines` name to `path`, data set by data set; return how many there are."""
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for spec in specs:
            for downloaded in SPLITS:
                chosen = lines.loc[(lines["dataset"] == spec.name) & (lines["downloaded_split"] == downloaded), "row"].to_numpy()
                if not len(chosen):
                    continue
                for batch in taken(stores[spec.name, downloaded], np.sort(chosen)):
                    for row in batch.select(["ner_tags", "source"]).to_pylist():
                        report.kept((spec.name, split), row["source"], row["ner_tags"])
                    writer.write_batch(batch)
    return len(lines)


def taken(store, chosen):
    """The rows of a store with these numbers, ascending, batch by batch as they lie there: each is read once, whatever their number."""
    with pa.memory_map(str(store)) as file:
        reader, first = pa.ipc.open_file(file), 0
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            start, end = np.searchsorted(chosen, [first, first + len(batch)])
            if end > start:
                yield batch.take(pa.array(chosen[start:end] - first))
            first += len(batch)


class HeldOut:
    """The sentences of a merged split, found again by those that differ little."""

    def __init__(self, path, near):
        table = pq.read_table(path, columns=["tokens", "language"])
        self.index = NearDuplicates(*near, lambda number: (table["tokens"][number].as_py(), table["language"][number].as_py()))
        self.keys = array("Q")

    def add(self, row, key):
        self.index.add(len(self.index), row["tokens"], row["language"])
        self.keys.append(key)

    def resembles(self, row, key):
        """Whether a sentence differs little from one of these without being its copy."""
        keys = np.frombuffer(self.keys, dtype=np.uint64)
        return self.index.has_match(row["tokens"], row["language"], lambda numbers: keys[numbers] != np.uint64(key))


def check(paths, steps, scheme, near):
    """What training and evaluation rely on; a failure is a fault of this script."""
    keys = {split: array("Q") for split in paths}
    held_out = {split: HeldOut(paths[split], near) for split in ("test", "validation")} if "deduplicate_near" in steps else {}
    for split, path in reversed(paths.items()):  # test first
        for rows in parquet_batches(path, SCHEMA.names):
            for row in rows:
                assert row["tokens"] and len(row["tokens"]) == len(row["ner_tags"]), row
                assert set(row["ner_tags"]) <= set(scheme.labels), row
                assert "repair_bio" not in steps or is_iob2(row["ner_tags"]), row
                key = key_of(row["tokens"], row["language"])
                keys[split].append(key)
                for other, sentences in held_out.items():
                    if other == split:
                        sentences.add(row, key)
                        break  # validation is not compared with itself, nor test with validation
                    assert not sentences.resembles(row, key), f"a near-duplicate of a sentence of {other} is in {split}: {row}"
    if "deduplicate_across" in steps:
        for one, other in (("test", "train"), ("test", "validation"), ("validation", "train")):
            assert not len(np.intersect1d(keys[one], keys[other])), f"a sentence of {one} is in {other}"


class Fates:
    """What became of each downloaded row: bits of BECAME, two bytes a row."""

    BECAME = (*RULES, "held_out", "kept")

    def __init__(self):
        self.bits = {}  # (data set, split as downloaded) → an array over its rows

    def begin(self, where, rows):
        self.bits[where] = np.zeros(rows, dtype=np.uint16)

    def add(self, name, where, row):
        self.bits[where][row] |= 1 << self.BECAME.index(name)

    def mark(self, name, lines):
        """The same for all rows that the lines of a frame stand for."""
        for where, part in lines.groupby(["dataset", "downloaded_split"], sort=False, observed=True):
            self.bits[where][part["number"].to_numpy()] |= np.uint16(1 << self.BECAME.index(name))

    def write(self, path):
        names = pa.dictionary(pa.int8(), pa.string())
        schema = pa.schema([("dataset", names), ("split", names), *((name, pa.bool_()) for name in self.BECAME)])
        with pq.ParquetWriter(path, schema) as writer:
            for where, bits in self.bits.items():
                place = [pa.array([name] * len(bits)).dictionary_encode().cast(names) for name in where]
                columns = [pa.array((bits >> number & 1).astype(bool)) for number in range(len(self.BECAME))]
                writer.write_table(pa.Table.from_arrays([*place, *columns], schema=schema))


class Report:
    """What the steps did: counted while rows pass."""

    def __init__(self):
        self.changes = {}  # (step, (data set, split)) → Counter of rows, removed, tokens
        self.rows, self.tokens, self.entities = Counter(), Counter(), {}
        self.sources, self.sources_left = Counter(), Counter()
        self.entities_left, self.rows_left, self.tokens_left = {}, Counter(), Counter()
        self.left, self.held_out, self.lengths = {}, {}, {}

    def downloaded(self, where, source, tokens, tags):
        self.rows[where] += 1
        self.tokens[where] += len(tokens)
        self.entities.setdefault(where, Counter()).update(entity_counts(tags))
        self.sources[where, source] += 1

    def changed(self, step, where, rows, removed, tokens):
        self.changes.setdefault((step, where), Counter()).update(rows=rows, removed=int(removed), tokens=tokens)

    def kept(self, where, source, tags):
        self.rows_left[where] += 1
        self.tokens_left[where] += len(tags)
        self.entities_left.setdefault(where, Counter()).update(entity_counts(tags))
        self.sources_left[where, source] += 1
        self.lengths.setdefault(where, Counter()).update([len(tags)])

    def as_dict(self, scheme, specs, args):
        places = [(spec.name, split) for spec in specs for split in SPLITS]
        lengths = histograms({where: self.lengths.get(where, Counter()) for where in places})
        return {
            "label_scheme": scheme.name,
            "train_languages": args.train_languages,
            "near_duplicates": {"threshold": args.near_threshold, "characters": args.near_characters},
            "steps": [
                {
                    "step": step,
                    "on": args.cleaning[step],
                    "rule": rule,
                    "changes": [
                        {"dataset": where[0], "split": where[1], **{name: change[name] for name in ("rows", "removed", "tokens")}}
                        for where in places
                        if (change := self.changes.get((step, where)))
                    ],
                }
                for step, rule in RULES.items()
            ],
            "held_out": [
                {"dataset": name, "from": "train", "to": "validation", "share": HELD_OUT, "rows": rows}
                for name, rows in self.held_out.items()
            ],
            "length_width": lengths["width"],
            "splits": [
                {
                    "dataset": where[0],
                    "split": where[1],
                    "downloaded": {
                        "rows": self.rows[where],
                        "tokens": self.tokens[where],
                        "entities": in_order(self.entities.get(where), scheme),
                    },
                    "cleaned_rows": self.left[where],
                    "kept": {
                        "rows": self.rows_left[where],
                        "tokens": self.tokens_left[where],
                        "entities": in_order(self.entities_left.get(where), scheme),
                        "lengths": lengths["counts"][where],
                    },
                    "sources": {
                        source: {"downloaded": self.sources[where, source], "kept": self.sources_left[where, source]}
                        for source, entry in scheme.sources.items()
                        if entry["dataset"] == where[0]
                    },
                }
                for where in places
            ],
        }


def in_order(counts, scheme):
    """Entity counts in the order of the scheme's types, then the types that the scheme leaves out."""
    counts = counts or {}
    return {label: counts[label] for label in (*scheme.types, *sorted(set(counts) - set(scheme.types))) if label in counts}


if __name__ == "__main__":
    main()
