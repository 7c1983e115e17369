r"""Prune a causal language model: set a share of the weights of its linear layers to zero, for good.

    python scripts/prune.py --model MODEL_DIR --method l1_unstructured --amount 0.3 --amount-of prunable --scope layer --seed 42 \
        --system NAME --start NAME --output OUT_DIR
    python scripts/prune.py … --method wanda --calibration TRAIN.parquet --template TEMPLATE.yaml --calibration-rows 32 --max-length 512

reads    MODEL_DIR      a Hugging Face model folder (safetensors) with its tokenizer; not a quantized one
         TRAIN.parquet  id, article, reference: a sample of its rows, drawn by the seed, is what wanda is calibrated on
         TEMPLATE.yaml  the prompt template; calibration reads the text that fine-tuning reads, of at most --max-length tokens a row
writes   OUT_DIR        the same model, pruned: ordinary weights that load anywhere, in the dtype of MODEL_DIR; tokenizer, model card
         OUT_DIR.json   the checksums of its files

The weights that stay are those of MODEL_DIR bit for bit, and the share of zeros is the one asked for; both are checked.
"""

import argparse
import random

import lib.offline  # noqa: F401

import torch

from lib.completions import training_rows
from lib.device import device
from lib.manifest import recorded
from lib.model_folder import load_model, model_card, save_model, storage_dtype, tensors
from lib.program import InputError, existing_file, log, model_folder, parser, program
from lib.prompting import end_ids, load_template, ready_tokenizer
from lib.pruning import METHODS, check_scope, prune_model, share_of_prunable
from lib.pruning_methods import CALIBRATED
from lib.records import read_parquet
from lib.sparsity import prunable

CALIBRATION = {"calibration": existing_file, "template": existing_file, "calibration_rows": int, "max_length": int}


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--output", required=True)
    command.add_argument("--method", required=True, choices=sorted(METHODS))
    command.add_argument("--amount", required=True, type=fraction, help="share of the weights to zero, between 0 and 1")
    command.add_argument(
        "--amount-of", required=True, choices=["prunable", "model"], help="of the linear layers' weights, or of the whole model's"
    )
    command.add_argument("--scope", required=True, choices=["layer", "global"], help="rank weights within each layer, or all together")
    command.add_argument("--seed", required=True, type=int)
    command.add_argument("--system", required=True, help="the name of the system that this model belongs to, for the model card")
    command.add_argument("--start", required=True, help="the name of the system or model that MODEL_DIR belongs to, for the model card")
    for name, kind in CALIBRATION.items():
        command.add_argument(f"--{name.replace('_', '-')}", type=kind, help="for a method that is calibrated, and only for such")
    args = command.parse_args(argv)
    check_calibration(args)
    return args


def check_calibration(args):
    """Raise InputError unless the arguments of calibration are there exactly if the method is calibrated."""
    given = [name for name in CALIBRATION if getattr(args, name) is not None]
    wanted = list(CALIBRATION) if args.method in CALIBRATED else []
    if given != wanted:
        found, expected = (", ".join(f"--{name.replace('_', '-')}" for name in names) or "none" for names in (given, wanted))
        raise InputError(f"--method {args.method}: of the arguments of calibration found {found}; expected {expected}; correct the command")
    for name in ("calibration_rows", "max_length"):
        if name in given and getattr(args, name) < 1:
            raise InputError(f"--{name.replace('_', '-')}: found {getattr(args, name)}; expected at least 1; correct the value")


def fraction(text):
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share of the weights: give a number between 0 and 1")
    return value


@program
def main(argv=None):
    args = arguments(argv)
    check_scope(args.method, args.scope)
    torch.manual_seed(args.seed)
    tokenizer = ready_tokenizer(args.model)
    model = load_model(args.model, torch.float32)  # exact for every dtype that it may be stored in, and back
    share = share_of_prunable(model, args.amount, args.amount_of)
    rows = calibration_rows(args, tokenizer) if args.method in CALIBRATED else []
    if rows:
        log(f"calibrated on {len(rows)} rows of train, {sum(map(len, rows))} tokens")
        model.to(device())
    prune_model(model, args.method, share, args.scope, rows)
    zeros = sum(int((layer.weight == 0).sum()) for layer in prunable(model).values())
    weights = sum(layer.weight.numel() for layer in prunable(model).values())
    log(f"{args.method}, {args.scope}: {zeros} of {weights} prunable weights are zero")
    model.to("cpu", storage_dtype(args.model))
    with recorded(args.output) as folder:
        save_model(folder, model, tokenizer, end_ids(tokenizer, args.model), card(args, model, zeros, weights, rows))
        check_kept(args.model, folder, zeros, {f"{name}.weight" for name in prunable(model)})


def calibration_rows(args, tokenizer):
    """Rows of token ids to calibrate on: prompt and reference, as fine-tuning reads them; all rows of the file if it has too few."""
    pairs = read_parquet(args.calibration, ["id", "article", "reference"])
    pairs = random.Random(args.seed).sample(pairs, min(args.calibration_rows, len(pairs)))
    rows, _ = training_rows(tokenizer, load_template(args.template), pairs, args.max_length, args.calibration)
    return [row["input_ids"] for row in rows]


def check_kept(before, after, zeros, pruned):
    """Raise RuntimeError unless the folder `after` equals `before` bit for bit but for `zeros` zeros in the tensors named by `pruned`."""
    originals, found = dict(tensors(before)), 0
    for name, tensor in tensors(after):
        original = originals[name]
        if tensor.dtype != original.dtype:
            raise RuntimeError(f"{name} was {original.dtype} and is stored as {tensor.dtype}")
        if name in pruned:
            found += int((tensor == 0).sum())
            original = original.masked_fill(tensor == 0, 0)
        if not torch.equal(original, tensor):
            raise RuntimeError(f"{name}: weights that were not pruned have changed")
    if found != zeros:
        raise RuntimeError(f"{found} zeros were stored, and {zeros} were made")


def card(args, model, zeros, weights, rows):
    whole_model = sum(parameter.numel() for parameter in model.parameters())  # gives a tied matrix once
    of = "weights of its linear layers" if args.amount_of == "prunable" else "whole weights of the model"
    text = (
        f"The model of the system `{args.system}`: `{args.start}` with the share {args.amount} of the {of} set to zero "
        f"(torch.nn.utils.prune, made permanent): {METHODS[args.method].words}. "
        "The output head is tied to the embedding or stands for it, and stays dense. "
        "The weights are ordinary dense tensors: the zeros make neither the file smaller nor the model faster. "
        "The run's `sparsity.csv` counts the zeros layer by layer, its `scores.json` tells what they cost."
    )
    facts = {"method": args.method, "scope": args.scope, "amount": f"{args.amount} of {args.amount_of}", "seed": args.seed}
    if rows:
        facts["calibration"] = f"{len(rows)} rows of train, {sum(map(len, rows))} tokens"
    facts["zeros"] = f"{zeros} of {weights} prunable weights ({zeros / weights:.4f}); {zeros / whole_model:.4f} of the whole model's"
    return model_card(args.system, ["summarization", "pruned"], text, facts)


if __name__ == "__main__":
    main()
