r"""Train the tagger: a token classifier of our own over an XLM-R encoder (transformers' Trainer).

    python scripts/ner_train.py --backbone MODEL_DIR --train TRAIN.parquet --validation VALIDATION.parquet --labels LABELS.json \
        --training '{"num_train_epochs": 1, …}' --alignment first --max-length 512 --dropout 0.1 --head-learning-rate 5e-5 \
        --embedding-rows all --precision auto --processes 1 --seed 42 --start NAME \
        --work WORK_DIR --checkpoint-minutes 10 --output OUT_DIR --log LOG.jsonl --summary TRAINING.json

reads    MODEL_DIR      the encoder: a Hugging Face model folder of type xlm-roberta, with its tokenizer
         *.parquet      tokens, ner_tags, language, source
         LABELS.json    the label scheme, as ner_clean.py writes it
writes   OUT_DIR        the trained tagger: safetensors in fp32, config with id2label, tokenizer, model card
         OUT_DIR.json   the checksums of its files
         LOG.jsonl      a row a logged step, and a row an evaluation: validation's sentences, scored as ner_evaluate.py scores them
         TRAINING.json  what was trained on what: sentences, windows, labels, batch as it fitted into memory, precision, steps;
                        of each language a sentence aligned with its subwords

--training holds arguments of TrainingArguments under their names there (gradient_checkpointing is passed under its new name,
activation_checkpointing). Master weights are fp32 whatever the precision. When memory runs out, training starts again with half
the batch and twice the accumulation. With --processes above 1, accelerate starts as many, each with a GPU or a share of the cores
of its own; they share the batch, so that an optimizer step sees as many sentences as with one. With --embedding-rows used, only
embeddings of subwords in the data are trained.

work      a folder for checkpoints, one every --checkpoint-minutes, of which the newest is kept. Killed at any moment, or asked to stop
          (SIGTERM, SIGINT: it ends after the step that it is at), the same command goes on from there, and on a CPU ends with the
          same weights as if nothing had happened. A checkpoint of other arguments, data or code is not used. It takes the place of
          the trained weights in fp32, three times; for a moment two lie there
"""

import sys
from collections import Counter
from contextlib import ExitStack, nullcontext
from dataclasses import fields
from pathlib import Path

import lib.offline  # noqa: F401

import pyarrow as pa
import torch
from datasets import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from lib import launch
from lib.alignment import ALIGNMENTS, examples
from lib.checkpoints import Checkpoints, add_arguments
from lib.cleaning import TOKEN_STEPS
from lib.device import device, device_name, resolve_precision
from lib.embedding_rows import UsedRows
from lib.labels import OUTSIDE, LabelScheme
from lib.manifest import recorded
from lib.model_tokenizer import load_tokenizer
from lib.ner_scores import Scores
from lib.program import InputError, existing_file, json_value, log, model_folder, parser, program
from lib.publish import whole
from lib.quick_dropout import QuickDropout
from lib.records import parquet_batches, read_parquet, write_json
from lib.sampling import GroupedByLength
from lib.tagger import Collator, new_tagger
from lib.tagging import Encoder, loss_a_word, tag_words
from lib.training_log import TrainingLog

COLUMNS = ["tokens", "ner_tags", "source"]
SHORT = 128  # subwords: up to here plain attention is a little faster on a CPU than torch's own, and its matrices are small
WINDOWS = pa.schema(
    [
        ("input_ids", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int16())),
        ("source", pa.int16()),
        ("length", pa.int32()),
    ]
)


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--backbone", required=True, type=model_folder)
    command.add_argument("--train", required=True, type=existing_file)
    command.add_argument("--validation", required=True, type=existing_file)
    command.add_argument("--labels", required=True, type=existing_file)
    command.add_argument("--training", required=True, type=json_value)
    command.add_argument("--alignment", required=True, choices=ALIGNMENTS, help="the subwords of a word that carry its label")
    command.add_argument("--max-length", required=True, type=int, help="subwords in a window, special tokens included")
    command.add_argument("--dropout", required=True, type=float, help="before the linear layer")
    command.add_argument("--head-learning-rate", required=True, type=float, help="of the linear layer; --training has the encoder's")
    command.add_argument("--embedding-rows", required=True, choices=["all", "used"])
    command.add_argument("--precision", required=True, choices=["auto", "fp32", "bf16", "fp16"])
    command.add_argument("--token-steps", nargs="*", required=True, choices=TOKEN_STEPS, help="cleaning of words, noted for who tags text")
    command.add_argument("--processes", type=int, default=1, help="training processes that share the batch")
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--start", required=True, help="the name of the encoder, for the model card")
    add_arguments(command)
    command.add_argument("--output", required=True)
    command.add_argument("--log", required=True)
    command.add_argument("--summary", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    training = checked(args.training)
    batch_size, accumulation = training["per_device_train_batch_size"], training.get("gradient_accumulation_steps", 1)
    checkpoints = Checkpoints(args, __file__)
    launch.in_processes(
        args.processes, batch_size, accumulation, checkpoints, lambda: run(args, training, batch_size, accumulation, checkpoints)
    )


def run(args, training, batch_size, accumulation, checkpoints):
    """Train in this process, and write the files if it is the first."""
    precision = resolve_precision(args.precision)
    log(f"{device_name()}, {precision}")
    scheme = LabelScheme.read(args.labels)
    tokenizer = load_tokenizer(args.backbone)
    tokenizer.model_max_length = args.max_length  # saved with it, so that predictions cut sentences as training does
    data = Data(args, tokenizer, scheme, checkpoints.folder / f"windows_{launch.number()}.arrow")
    log(f"{data.train_sentences} sentences in {len(data.train)} windows, {data.subwords} subwords, the longest window {data.longest}")
    (model, training_log, summary), tried = launch.with_fitting_batch(
        lambda size, steps: train(args, training, precision, scheme, tokenizer, data, size, steps, checkpoints),
        batch_size,
        accumulation,
        checkpoints,
    )
    if not launch.is_first():
        return
    summary |= {
        "sentences": {"train": data.train_sentences, "validation": len(data.validation_rows)},
        "windows": {"train": len(data.train), "validation": len(data.validation)},
        "subwords": data.subwords,
        "longest_window": data.longest,
        "max_length": args.max_length,
        "alignment": args.alignment,
        "aligned": examples(tokenizer, training_rows(args.train), scheme.labels, args.alignment),
        "label_scheme": scheme.name,
        "labels": len(scheme.labels),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "precision": precision,
        "epochs": training["num_train_epochs"],
        "batch_size": tried[-1],
        "gradient_accumulation_steps": batch_size * accumulation // tried[-1],
        "effective_batch": batch_size * accumulation,
        "out_of_memory": tried[:-1],
        "processes": args.processes,
    }
    with ExitStack() as outputs:
        folder, log_file, summary_file = map(outputs.enter_context, (recorded(args.output), whole(args.log), whole(args.summary)))
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "README.md").write_text(card(args, scheme, training, summary), encoding="utf-8")
        training_log.write(log_file)
        write_json(summary_file, summary)


def checked(training):
    """The training arguments under the names of today's TrainingArguments. Raises InputError for one that it does not have."""
    known = {field.name for field in fields(TrainingArguments)}
    for key in training:
        if key not in known:
            raise InputError(f"ner.training.{key}: unknown; expected an argument of transformers' TrainingArguments; correct or remove it")
    training = dict(training)
    if "gradient_checkpointing" in training:
        training["activation_checkpointing"] = training.pop("gradient_checkpointing")
    return training


def training_rows(path):
    return (row for rows in parquet_batches(path, [*COLUMNS, "language"]) for row in rows)


class Data:
    """Windows for training, in a file that is mapped into memory; windows and rows for validation."""

    def __init__(self, args, tokenizer, scheme, path):
        self.used, self.subwords, self.longest, self.train_sentences, tags = set(), 0, 0, 0, Counter()
        encoder = Encoder(tokenizer, args.max_length, scheme, args.alignment)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, WINDOWS) as writer:
            for rows in parquet_batches(args.train, COLUMNS):
                windows = [window | {"length": len(window["input_ids"])} for window in encoder.rows(rows)]
                writer.write_batch(pa.RecordBatch.from_pylist(windows, schema=WINDOWS))
                self.train_sentences += len(rows)
                tags.update(tag for row in rows for tag in row["ner_tags"])
                self.seen(windows)
        self.train = Dataset.from_file(str(path))
        self.outside = min(max(tags[OUTSIDE] / tags.total(), 0.01), 0.99)
        # the loss of validation is one a word, whichever subwords carry labels in training
        self.validation_rows = read_parquet(args.validation, COLUMNS)
        self.validation = list(Encoder(tokenizer, args.max_length, scheme, "first").rows(self.validation_rows))
        self.used.update(number for window in self.validation for number in window["input_ids"])

    def seen(self, windows):
        for window in windows:
            self.used.update(window["input_ids"])
            self.subwords += len(window["input_ids"])
            self.longest = max(self.longest, len(window["input_ids"]))


class TaggerTrainer(Trainer):
    """Trainer with a learning rate for the head, whose evaluation scores words and entities as ner_evaluate.py does.

    validate             called with the model; returns the names and values to log
    head_learning_rate   the peak for model.classifier; all else has the learning rate of the arguments
    """

    def __init__(self, *args, validate, head_learning_rate, **kwargs):
        super().__init__(*args, **kwargs)
        self.validate, self.head_learning_rate = validate, head_learning_rate

    def create_optimizer(self, model=None):
        optimizer = super().create_optimizer(model)
        head = {id(parameter) for parameter in self.model.classifier.parameters()}
        for group in list(optimizer.param_groups):
            parameters = group["params"]
            group["params"] = [parameter for parameter in parameters if id(parameter) not in head]
            of_head = [parameter for parameter in parameters if id(parameter) in head]
            if of_head:
                optimizer.add_param_group({**group, "params": of_head, "lr": self.head_learning_rate})
        return optimizer

    def _get_train_sampler(self, train_dataset=None):
        if self.args.train_sampling_strategy == "group_by_length":
            return GroupedByLength(self.train_dataset["length"][:], self)
        return super()._get_train_sampler(train_dataset)

    def training_step(self, model, inputs, num_items_in_batch=None):
        with QuickDropout() if self.args.device.type == "cpu" else nullcontext():
            return super().training_step(model, inputs, num_items_in_batch)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        logs = {f"{metric_key_prefix}_{name}": value for name, value in self.validate(self.model).items()}
        self.log(logs)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, logs)
        return logs


def train(args, training, precision, scheme, tokenizer, data, batch_size, accumulation, checkpoints):
    """One training, from its checkpoint or from the beginning: the model, its log, and what there is to say of it."""
    set_seed(args.seed)
    model = new_tagger(args.backbone, scheme.labels, args.dropout, data.outside)
    model.config.token_steps = args.token_steps
    if device().type == "cpu" and data.longest <= SHORT:
        model.set_attn_implementation("eager")
    positions = model.config.max_position_embeddings - model.config.pad_token_id - 1
    if args.max_length > positions:
        raise InputError(
            f"ner.max_length: {args.max_length}; expected at most {positions}, the positions that {args.backbone} has; lower it"
        )
    table = model.get_input_embeddings().num_embeddings
    rows = UsedRows(model, data.used, tokenizer.all_special_ids, tokenizer.unk_token_id) if args.embedding_rows == "used" else None
    silent = torch.tensor([scheme.silent(source) for source in scheme.sources])
    collator = Collator(tokenizer.pad_token_id, silent, rows.rows if rows else None)

    def validate(model):
        count = len(data.validation_rows)
        tags, _, losses = tag_words(model, data.validation, count, collator, training["per_device_eval_batch_size"], precision)
        gold = [row["ner_tags"] for row in data.validation_rows]
        scores = Scores(gold, tags, [scheme.annotated(row["source"]) for row in data.validation_rows], scheme.types)
        return {"loss": loss_a_word(losses, tags), **scores.point()}

    training_log = TrainingLog()
    trainer = TaggerTrainer(
        model=model,
        args=TrainingArguments(
            **training | {"per_device_train_batch_size": batch_size // args.processes, "gradient_accumulation_steps": accumulation},
            output_dir=str(checkpoints.folder),
            seed=args.seed,
            bf16=precision == "bf16",
            fp16=precision == "fp16",
            use_cpu=not torch.cuda.is_available(),
            dataloader_pin_memory=torch.cuda.is_available(),
            remove_unused_columns=False,
            logging_strategy="steps",
            eval_strategy="steps",
            save_strategy="no",
            report_to="none",
            log_level="error",
            disable_tqdm=not sys.stderr.isatty(),
        ),
        train_dataset=data.train,
        eval_dataset=data.validation,
        data_collator=collator,
        callbacks=[training_log],
        validate=validate,
        head_learning_rate=args.head_learning_rate,
    )
    trainer.remove_callback(PrinterCallback)
    checkpoints.train(trainer, log=training_log)
    if not training_log.rows or "validation_loss" not in training_log.rows[-1]:
        trainer.evaluate()
    if rows:
        rows.restore(model)
    trained = len(rows.ids) if rows else table
    return model, training_log, {"steps": trainer.state.global_step, "embedding_rows": {"trained": trained, "all": table}}


def card(args, scheme, training, summary):
    """The model card: what was trained on what, how to load it; no scores, which stand in the run's metrics.json."""
    seen = {row["source"] for rows in parquet_batches(args.train, ["source"]) for row in rows}
    trained = {name: source for name, source in scheme.sources.items() if name in seen}
    languages = list(dict.fromkeys(source["language"] for source in trained.values()))
    sources = "\n".join(
        f"- {name} ({source['language']}, from {source['dataset']}): {' '.join(source['types'])}" for name, source in trained.items()
    )
    settings = "\n".join(f"| {name} | {training[name]} |" for name in sorted(training))
    masked = {
        "masked_union": "A source's O does not count against types that it never tags.",
        "union": "A source's O counts against every other type, also where its annotators never tagged that type.",
        "intersection": "Only types that every source annotates are learned.",
    }[scheme.name]
    return f"""---
library_name: transformers
pipeline_tag: token-classification
language: [{", ".join(languages)}]
tags: [named-entity-recognition, xlm-roberta]
---

# Named entities in {", ".join(languages)}

The encoder `{args.start}` with dropout and a linear layer of our own (`XLMRobertaTagger` in `scripts/lib/tagger.py`), trained on
{summary["sentences"]["train"]} sentences. Tags are IOB2; a word's tag is read at its first subword; sentences longer than
{args.max_length} subwords are split between words.

Sources, and the types that each annotates:

{sources}

Label scheme: {scheme.name}. {masked}

Load it from the repository's root:

```python
import sys

sys.path.insert(0, "scripts")
from lib.tagger import XLMRobertaTagger

tagger = XLMRobertaTagger.from_pretrained("{Path(args.output).name}")
```

or tag a sentence with `python scripts/ner_predict.py`. The weights have the names that transformers' `AutoModelForTokenClassification`
expects, so it loads the folder as well. Scores stand in the run's `ner/metrics.json`.

| training argument | |
|---|---|
{settings}
| learning_rate of the linear layer | {args.head_learning_rate} |
| seed | {args.seed} |
| precision | {summary["precision"]}, master weights fp32 |
"""


if __name__ == "__main__":
    main()
