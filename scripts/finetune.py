r"""Fine-tune a causal language model on articles and their summaries, with the loss on the summary only (trl's SFTTrainer).

    python scripts/finetune.py --model MODEL_DIR --train TRAIN.parquet --validation VALIDATION.parquet --template TEMPLATE.yaml \
        --lengths LENGTHS.json --length-percentile 95 --training '{"learning_rate": 2e-5, …}' --processes 1 --seed 42 \
        [--keep-zeros] --system NAME --start NAME --work WORK_DIR --checkpoint-minutes 10 \
        --output OUT_DIR --log LOG.jsonl --summary TRAINING.json

reads    MODEL_DIR      a Hugging Face model folder (safetensors) with its tokenizer; not a quantized one
         *.parquet      id, article, reference
         TEMPLATE.yaml  the prompt template; training and generation use exactly the same text
         LENGTHS.json   lengths of the articles in tokens of this model's tokenizer, as length_statistics.py writes them
writes   OUT_DIR        the tuned model in the dtype of MODEL_DIR, as it was after the step with the lowest validation loss (every
                        eval_steps and at the end, with weights rounded to that dtype; the start does not count); tokenizer, model card
         OUT_DIR.json   the checksums of its files
         LOG.jsonl      a row a logged step, and a row an evaluation, the first of them before training
         TRAINING.json  what was trained on what: rows, shortened articles, lengths, batch, precision, steps, tokens, validation loss
                        before training, at best_step (`best`), and of the model as it is stored (`after`: with lora that of the
                        merged one, else the same)

--training holds precision, max_length, packing, lora and arguments of SFTConfig. A row is at most max_length tokens, or what the
given percentile of the articles needs if that is less; longer articles are shortened, references never. Master weights are fp32
whatever the precision. With --keep-zeros, weights of linear layers that are zero in MODEL_DIR stay zero.

packing   the rows of a batch share sequences of at most that many tokens, and none sees another: the same rows in each step and the
          same losses, with less padding. A model that cannot do that exactly is refused. `packed_rows` counts the sequences of all
          epochs, where without packing there is one a row and epoch
lora      null, or r, alpha, dropout and targets: adapters are trained instead of the weights, and merged before the model is stored.
          With --keep-zeros the weight is W + (W ≠ 0) · alpha / r · B A, in training too, so that what is trained is what is merged
work      a folder for checkpoints, one every --checkpoint-minutes, of which the newest is kept. Killed at any moment, or asked to stop
          (SIGTERM, SIGINT: it ends after the step that it is at), the same command goes on from there, and on a CPU ends with the
          same weights as if nothing had happened. A checkpoint of other arguments, data or code is not used. It takes the place of
          the trained weights in fp32, three times, and of the best so far; for a moment two lie there

When memory runs out, training starts again with half the batch and twice the accumulation. With --processes above 1, accelerate
starts as many, each with a GPU or a share of the cores of its own; they share the batch, so that an optimizer step sees the same
rows as with one.
"""

from contextlib import ExitStack

import lib.offline  # noqa: F401

import torch
from datasets import Dataset
from transformers import AutoConfig, PrinterCallback, set_seed
from trl import SFTConfig

from lib import launch
from lib.best_weights import BestWeights
from lib.checkpoints import Checkpoints, add_arguments
from lib.completions import training_rows
from lib.device import device, device_name, resolve_precision
from lib.lora import adapted, merged
from lib.manifest import recorded
from lib.master_weights import spread
from lib.model_folder import load_model, model_card, save_model, storage_dtype
from lib.packing import IGNORED, Collator, check_exact
from lib.program import InputError, existing_file, json_value, log, model_folder, parser, program
from lib.prompting import load_template, ready_tokenizer
from lib.publish import whole
from lib.records import read_json, read_parquet, write_json
from lib.sft import CompletionTrainer
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
    "packing",
    "lora",
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
    command.add_argument("--processes", type=int, default=1, help="training processes that share the batch")
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--keep-zeros", action="store_true")
    command.add_argument("--system", required=True, help="the name of the system that this model belongs to, for the model card")
    command.add_argument("--start", required=True, help="the name of the system or model that MODEL_DIR belongs to, for the model card")
    add_arguments(command)
    command.add_argument("--output", required=True)
    command.add_argument("--log", required=True)
    command.add_argument("--summary", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    training = checked(args.training)
    batch_size, accumulation = training["per_device_train_batch_size"], training["gradient_accumulation_steps"]
    checkpoints = Checkpoints(args, __file__)
    launch.in_processes(
        args.processes, batch_size, accumulation, checkpoints, lambda: run(args, training, batch_size, accumulation, checkpoints)
    )


def run(args, training, batch_size, accumulation, checkpoints):
    """Train in this process, and write the files if it is the first."""
    precision = resolve_precision(training["precision"])
    log(f"{device_name()}, {precision}")
    template, tokenizer = load_template(args.template), ready_tokenizer(args.model)
    pairs = {name: read_parquet(getattr(args, name), ["id", "article", "reference"]) for name in ("train", "validation")}
    limit = row_limit(args, training["max_length"], template, tokenizer, pairs)
    rows, truncated = {}, {}
    for name in pairs:
        rows[name], truncated[name] = training_rows(tokenizer, template, pairs[name], limit, getattr(args, name))
        log(f"{name}: {len(rows[name])} rows of at most {limit} tokens, {truncated[name]} articles shortened")

    (model, training_log, summary), tried = launch.with_fitting_batch(
        lambda size, steps: tune(args, training, precision, tokenizer, rows, limit, size, steps, checkpoints),
        batch_size,
        accumulation,
        checkpoints,
    )
    if not launch.is_first():
        return
    summary = {
        "rows": len(rows["train"]),
        "validation_rows": len(rows["validation"]),
        "truncated": truncated,
        "max_length": limit,
        "longest": max(len(row["input_ids"]) for row in rows["train"]),
        "tokens": sum(len(row["input_ids"]) for row in rows["train"]),
        "completion_tokens": sum(label != IGNORED for row in rows["train"] for label in row["labels"]),
        "epochs": training["num_train_epochs"],
        "batch_size": tried[-1],
        "gradient_accumulation_steps": batch_size * accumulation // tried[-1],
        "effective_batch": batch_size * accumulation,
        "out_of_memory": tried[:-1],
        "processes": args.processes,
        "precision": precision,
        "stored": str(model.dtype).removeprefix("torch."),
        **summary,
    }
    with ExitStack() as outputs:
        folder, log_file, summary_file = map(outputs.enter_context, (recorded(args.output), whole(args.log), whole(args.summary)))
        save_model(folder, model, tokenizer, template.end_ids(tokenizer, args.model), card(args, training, template, summary))
        training_log.write(log_file)
        write_json(summary_file, summary)


def tune(args, training, precision, tokenizer, rows, limit, batch_size, accumulation, checkpoints):
    """One training, from its checkpoint or from the beginning: the model as it is to be stored, its log, and what there is to say of it."""
    set_seed(args.seed)
    model = load_model(args.model, torch.float32)  # master weights; autocast computes in the precision
    stored = storage_dtype(args.model)
    spread(model, stored, args.seed)
    if device().type == "cpu" and limit <= SHORT:
        model.set_attn_implementation("eager")
    if training["packing"]:
        check_exact(model, rows["train"], tokenizer.pad_token_id)
    zeros = KeepZeros(model) if args.keep_zeros else None
    if training["lora"]:
        model = adapted(model, training["lora"], args.keep_zeros)
    in_file = None if training["lora"] else stored  # adapters are in no file, and rounded once they are merged
    training_log, best = TrainingLog(), BestWeights(model, in_file)
    trainer = CompletionTrainer(
        model=model,
        args=sft_config(training, precision, args.seed, str(checkpoints.folder), batch_size // args.processes, accumulation),
        train_dataset=Dataset.from_list(rows["train"]),
        eval_dataset=Dataset.from_list(rows["validation"]),
        data_collator=Collator(tokenizer.pad_token_id, training["packing"], limit),
        processing_class=tokenizer,
        callbacks=[training_log, *([zeros] if zeros else []), best],
        stored=in_file,
    )
    trainer.remove_callback(PrinterCallback)
    checkpoints.train(trainer, log=training_log, best=best, trainer=trainer)
    best.restore()
    trainable = sum(weight.numel() for weight in best.weights.values())
    if training["lora"]:
        model = merged(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.to(stored))
    if zeros:
        zeros.check()
    packed_rows = trainer.accelerator.reduce(torch.tensor(trainer.sequences, device=trainer.args.device), "sum").item()
    summary = {
        "steps": trainer.state.global_step,
        "best_step": best.step,
        "validation_loss": {
            "before": next(row["validation_loss"] for row in training_log.rows if "validation_loss" in row),
            "best": best.loss,
            "after": trainer.validation_loss(model) if training["lora"] else best.loss,
        },
        "lora": {**training["lora"], "trainable_parameters": trainable} if training["lora"] else None,
        "packing": training["packing"],
        "packed_rows": packed_rows if training["packing"] else None,
        "zeros_kept": zeros.count() if zeros else 0,
    }
    return model.to(stored), training_log, summary


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
        "kept": f"the weights after step {summary['best_step']}, where the validation loss was lowest",
        "learning rate": f"{training['learning_rate']}, {training['lr_scheduler_type']}, warm-up {training['warmup_steps']}",
        "weight decay": training["weight_decay"],
        "seed": args.seed,
    }
    if lora := summary["lora"]:
        facts["LoRA, merged"] = (
            f"rank {lora['r']}, alpha {lora['alpha']}, dropout {lora['dropout']}, on {', '.join(lora['targets'])}; "
            f"{lora['trainable_parameters']} parameters trained"
        )
    if summary["zeros_kept"]:
        facts["zeros held at zero"] = summary["zeros_kept"]
    return model_card(args.system, ["summarization", "sft"], text, facts)


if __name__ == "__main__":
    main()
