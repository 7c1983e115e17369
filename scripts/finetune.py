r"""Fine-tune a causal language model on articles and their summaries, with the loss on the summary only (trl's SFTTrainer).

    python scripts/finetune.py --model MODEL_DIR --train TRAIN.parquet --validation VALIDATION.parquet --template TEMPLATE.yaml \
        --lengths LENGTHS.json --length-percentile 95 --training '{"learning_rate": 2e-5, …}' --seed 42 [--keep-zeros] \
        --system NAME --start NAME --output OUT_DIR --log LOG.jsonl --summary TRAINING.json

reads    MODEL_DIR      a Hugging Face model folder (safetensors) with its tokenizer; not a quantized one
         *.parquet      id, article, reference
         TEMPLATE.yaml  the prompt template; training and generation use exactly the same text
         LENGTHS.json   lengths of the articles in tokens of this model's tokenizer, as length_statistics.py writes them
writes   OUT_DIR        the tuned model in the dtype of MODEL_DIR; tokenizer, model card
         LOG.jsonl      a row a logged step, and a row an evaluation, the first of them before training
         TRAINING.json  what was trained on what: rows, shortened articles, lengths, batch, precision, steps, tokens, validation loss

--training holds precision, max_length and arguments of SFTConfig. A row is at most max_length tokens, or what the given percentile
of the articles needs if that is less; longer articles are shortened, references never. Master weights are fp32 whatever the
precision. With --keep-zeros, weights of linear layers that are zero in MODEL_DIR stay zero.
"""

import tempfile
from contextlib import ExitStack

import lib.offline  # noqa: F401

import torch
from datasets import Dataset
from transformers import AutoConfig, PrinterCallback
from trl import SFTConfig

from lib.device import device, device_name, resolve_precision
from lib.master_weights import spread
from lib.memory import with_batch_that_fits
from lib.model_folder import load_model, model_card, save_model, storage_dtype
from lib.program import InputError, existing_file, json_value, log, model_folder, parser, program
from lib.prompting import load_template, ready_tokenizer
from lib.publish import whole
from lib.records import read_json, read_parquet, write_json
from lib.sft import IGNORED, CompletionTrainer, training_rows
from lib.training_log import TrainingLog
from lib.zeros import KeepZeros

ARGUMENTS = (  # of SFTConfig, under their own names
    "num_train_epochs",
    "per_device_eval_batch_size",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "eval_steps",
    "logging_steps",
)
KEYS = (
    *ARGUMENTS,
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "gradient_checkpointing",
    "max_length",
    "precision",
)
SHORT = 512  # tokens: up to here plain attention is a fifth faster on a CPU than the fused kernel, and its matrices are small


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--train", required=True, type=existing_file)
    command.add_argument("--validation", required=True, type=existing_file)
    command.add_argument("--template", required=True, type=existing_file)
    command.add_argument("--lengths", required=True, type=existing_file)
    command.add_argument("--length-percentile", required=True, type=int)
    command.add_argument("--training", required=True, type=json_value)
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--keep-zeros", action="store_true")
    command.add_argument("--system", required=True, help="the name of the system that this model belongs to, for the model card")
    command.add_argument("--start", required=True, help="the name of the system or model that MODEL_DIR belongs to, for the model card")
    command.add_argument("--output", required=True)
    command.add_argument("--log", required=True)
    command.add_argument("--summary", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    training = checked(args.training)
    precision = resolve_precision(training["precision"])
    log(f"{device_name()}, {precision}")
    template, tokenizer = load_template(args.template), ready_tokenizer(args.model)
    pairs = {name: read_parquet(getattr(args, name), ["id", "article", "reference"]) for name in ("train", "validation")}
    limit = row_limit(args, training["max_length"], template, tokenizer, pairs)
    rows, truncated = {}, {}
    for name in pairs:
        rows[name], truncated[name] = training_rows(tokenizer, template, pairs[name], limit, getattr(args, name))
        log(f"{name}: {len(rows[name])} rows of at most {limit} tokens, {truncated[name]} articles shortened")

    batch_size, accumulation = training["per_device_train_batch_size"], training["gradient_accumulation_steps"]
    (model, training_log, steps, zeros_kept), tried = with_batch_that_fits(
        lambda size, steps: tune(args, training, precision, tokenizer, rows, limit, size, steps), batch_size, accumulation
    )
    losses = [row["validation_loss"] for row in training_log.rows if "validation_loss" in row]
    summary = {
        "rows": len(rows["train"]),
        "validation_rows": len(rows["validation"]),
        "truncated": truncated,
        "max_length": limit,
        "longest": max(len(row["input_ids"]) for row in rows["train"]),
        "tokens": sum(len(row["input_ids"]) for row in rows["train"]),
        "completion_tokens": sum(label != IGNORED for row in rows["train"] for label in row["labels"]),
        "epochs": training["num_train_epochs"],
        "steps": steps,
        "batch_size": tried[-1],
        "gradient_accumulation_steps": batch_size * accumulation // tried[-1],
        "effective_batch": batch_size * accumulation,
        "out_of_memory": tried[:-1],
        "precision": precision,
        "stored": str(model.dtype).removeprefix("torch."),
        "validation_loss": {"before": losses[0], "after": losses[-1]},
        "zeros_kept": zeros_kept,
    }
    with ExitStack() as outputs:
        folder, log_file, summary_file = (outputs.enter_context(whole(path)) for path in (args.output, args.log, args.summary))
        save_model(folder, model, tokenizer, template.end_ids(tokenizer, args.model), card(args, training, template, summary))
        training_log.write(log_file)
        write_json(summary_file, summary)


def tune(args, training, precision, tokenizer, rows, limit, batch_size, accumulation):
    """One training from the beginning: the model as it is to be stored, its log, the number of steps, and of zeros held at zero."""
    model = load_model(args.model, torch.float32)  # master weights; autocast computes in the precision
    stored = storage_dtype(args.model)
    spread(model, stored, args.seed)
    if device().type == "cpu" and limit <= SHORT:
        model.set_attn_implementation("eager")
    training_log = TrainingLog()
    zeros = KeepZeros(model) if args.keep_zeros else None
    with tempfile.TemporaryDirectory() as work:
        trainer = CompletionTrainer(
            model=model,
            args=sft_config(training, precision, args.seed, work, batch_size, accumulation),
            train_dataset=Dataset.from_list(rows["train"]),
            eval_dataset=Dataset.from_list(rows["validation"]),
            processing_class=tokenizer,
            callbacks=[training_log, *([zeros] if zeros else [])],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        if "validation_loss" not in training_log.rows[-1] or training_log.rows[-1]["step"] != trainer.state.global_step:
            trainer.evaluate()
    model.to(stored)
    if zeros:
        zeros.check()
    return model, training_log, trainer.state.global_step, zeros.count() if zeros else 0


def checked(training):
    """The training arguments, if they are the expected ones. Raises InputError that names the first which is not."""
    for key in training:
        if key not in KEYS:
            raise InputError(f"--training: unknown key {key}; expected {', '.join(sorted(KEYS))}; correct or remove it")
    for key in KEYS:
        if key not in training:
            raise InputError(f"--training: {key} is missing; expected {', '.join(sorted(KEYS))}; add it")
    return training


def row_limit(args, max_length, template, tokenizer, pairs):
    """Tokens that a training row may take: max_length, unless the model's context or the percentile of the lengths asks for less."""
    articles = read_json(args.lengths)["train"]["article"]
    config = AutoConfig.from_pretrained(args.model, local_files_only=True)
    context = getattr(config, "max_position_embeddings", None) or max_length
    empty = len(template.token_ids(tokenizer, template.prompt(tokenizer, "")))
    longest = max(len(template.completion_ids(tokenizer, pair["reference"])) for split in pairs.values() for pair in split)
    return min(max_length, context, empty + round(articles[f"p{args.length_percentile}"]) + longest)


def sft_config(training, precision, seed, work, batch_size, accumulation):
    try:
        return SFTConfig(
            **{key: training[key] for key in ARGUMENTS},
            per_device_train_batch_size=batch_size,
            gradient_accumulation_steps=accumulation,
            activation_checkpointing=training["gradient_checkpointing"],
            bf16=precision == "bf16",
            fp16=precision == "fp16",
            use_cpu=device().type == "cpu",
            dataloader_pin_memory=device().type != "cpu",
            seed=seed,
            output_dir=work,
            max_length=None,  # rows are short enough already
            dataset_kwargs={"skip_prepare_dataset": True},  # and tokenized
            train_sampling_strategy="group_by_length",
            eval_strategy="steps",
            eval_on_start=True,
            logging_strategy="steps",
            save_strategy="no",
            report_to="none",
            log_level="error",
            disable_tqdm=True,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"--training: {error}; correct the value") from None


def card(args, training, template, summary):
    text = (
        f"The model of the system `{args.system}`: `{args.start}` fine-tuned to summarize with trl's SFTTrainer, "
        f"the loss on the summary only. Its prompt is the template `{template.name}`. Master weights were fp32 in training "
        f"and are stored as {summary['stored']}, like those it started from. The run's `config.yaml` and `assets/` tell "
        "which data and which model these were, its `scores.json` how well the summaries came out."
    )
    facts = {
        "pairs": f"{summary['rows']} for training, {summary['validation_rows']} for validation",
        "tokens a row": f"at most {summary['max_length']}; {summary['truncated']['train']} articles were shortened, no summary was",
        "epochs, steps": f"{summary['epochs']}, {summary['steps']}",
        "effective batch": summary["effective_batch"],
        "precision": f"{summary['precision']} autocast" if summary["precision"] != "fp32" else "fp32",
        "learning rate": f"{training['learning_rate']}, {training['lr_scheduler_type']}, warm-up {training['warmup_steps']}",
        "weight decay": training["weight_decay"],
        "seed": args.seed,
    }
    if summary["zeros_kept"]:
        facts["zeros held at zero"] = summary["zeros_kept"]
    return model_card(args.system, ["summarization", "sft"], text, facts)


if __name__ == "__main__":
    main()
