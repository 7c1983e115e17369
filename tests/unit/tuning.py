"""A tiny model, a few pairs and the scripts that tune and prune, for the tests of fine-tuning, pruning and sparsity."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import finetune
import prune
from lib.random_models import make
from lib.records import write_parquet

TEMPLATE = Path(__file__).parents[2] / "prompts" / "plain.yaml"
TRAINING = {
    "precision": "fp32",
    "max_length": 200,
    "packing": False,
    "lora": None,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 4,
    "per_device_eval_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "gradient_checkpointing": False,
    "learning_rate": 5.0e-3,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
    "weight_decay": 0.1,
    "eval_steps": 3,
    "logging_steps": 1,
}


def make_start(folder, dtype=torch.bfloat16, **shape):
    """A random Llama whose weights are stored in `dtype`; `shape` overrides arguments of its config."""
    make("llama", folder, seed=1, **shape)
    AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    return folder


def pairs(count, article="The council of the town met on day {}. " * 3, reference="Day {}: the council met."):
    return [{"id": f"row{n}", "article": article.replace("{}", str(n)), "reference": reference.replace("{}", str(n))} for n in range(count)]


def write_pairs(path, rows):
    import pyarrow as pa

    write_parquet(path, rows, pa.schema([(name, pa.string()) for name in ("id", "article", "reference")]))
    return path


def tune(model, out, train=None, validation=None, keep_zeros=False, checkpoint_minutes=60, **training):
    """Run finetune.py into the folder `out`; the model's folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "lengths.json").write_text(json.dumps({"train": {"article": {"p95": 150}}}))
    arguments = {
        "model": model,
        "train": write_pairs(out / "train.parquet", pairs(12) if train is None else train),
        "validation": write_pairs(out / "validation.parquet", pairs(3) if validation is None else validation),
        "template": TEMPLATE,
        "lengths": out / "lengths.json",
        "length-percentile": 95,
        "training": json.dumps({**TRAINING, **training}),
        "seed": 42,
        "system": "tuned",
        "start": "start",
        "work": out / "work",
        "checkpoint-minutes": checkpoint_minutes,
        "output": out / "model",
        "log": out / "training_log.jsonl",
        "summary": out / "training.json",
    }
    finetune.main(command_line(arguments) + ["--keep-zeros"] * keep_zeros)
    return out / "model"


def cut(model, output, **changes):
    """Run prune.py; the model's folder."""
    arguments = {"model": model, "output": output, "method": "l1_unstructured", "amount": 0.3, "amount_of": "prunable", "scope": "layer"}
    prune.main(command_line({**arguments, "seed": 42, "system": "pruned", "start": "start", **changes}))
    return output


def command_line(arguments):
    return [word for name, value in arguments.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def weights(folder):
    return load_file(Path(folder) / "model.safetensors")


def linear(folder):
    """The prunable weights in a model folder, by name, told by their names alone."""
    return {name: tensor for name, tensor in weights(folder).items() if name.endswith("proj.weight")}
