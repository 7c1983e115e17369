"""Folders of causal language models: reading them whole, and writing them so that they load anywhere."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, GenerationConfig

from lib.program import InputError

STORED = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}  # the names that safetensors files use


def load_model(folder, dtype, **options):
    """The causal language model in `folder`, its weights converted to `dtype`; `options` are more arguments of from_pretrained.

    Raises InputError if the folder's weights are quantized or not whole.
    """
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in config:
        raise InputError(
            f"{folder}: the model is quantized; expected weights in full or half precision; start from the model before it was quantized"
        )
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"{folder}: no causal language model that can be read ({error}); expected config.json and the weights that it says; "
            "make or fetch the model again"
        ) from None
    wrong = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if wrong:  # transformers would go on with random weights in their place
        raise InputError(
            f"{folder}: its safetensors lack {wrong[0]}, or hold it in another shape; expected the weights that config.json says; "
            "make or fetch the model again"
        )
    return model


def tensors(folder):
    """Name and tensor of all that the safetensors files in `folder` hold, in the stored dtype, one at a time."""
    for path in sorted(Path(folder).glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 (no dict)
                    yield name, file.get_tensor(name)
        except SafetensorError as error:
            raise InputError(
                f"{path}: not a safetensors file that can be read ({error}); expected a whole one; make or fetch the model again"
            ) from None


def storage_dtype(folder):
    """The dtype of the weights as stored; the widest one if there are several."""
    found = set()
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= {STORED[name] for name in (file.get_slice(key).get_dtype() for key in file.keys()) if name in STORED}  # noqa: SIM118
    if not found:
        raise InputError(
            f"{folder}: its safetensors hold no floating-point weights; expected {', '.join(STORED)}; make or fetch the model again"
        )
    return max(found, key=lambda dtype: torch.finfo(dtype).bits)


def save_model(folder, model, tokenizer, end_ids, card):
    """Write weights (in the model's present dtype), tokenizer and model card to `folder`; `end_ids` end what the model writes.

    No sampling setting is kept: systems generate greedily, and flags of sampling make a greedy configuration invalid.
    """
    old = model.generation_config
    model.generation_config = GenerationConfig(
        bos_token_id=old.bos_token_id, eos_token_id=list(end_ids), pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (Path(folder) / "README.md").write_text(card, encoding="utf-8")


def model_card(title, tags, text, facts):
    """A model card in Markdown with the hub's header; `facts` (a dict) become a table."""
    header = ["---", "library_name: transformers", "pipeline_tag: text-generation", f"tags: [{', '.join(tags)}]", "---"]
    rows = [f"| {name} | {value} |" for name, value in facts.items()]
    return "\n".join([*header, "", f"# {title}", "", text, "", "| | |", "|---|---|", *rows]) + "\n"
