"""A Llama-like model from a GGUF file into an ordinary model folder."""

from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.integrations.gguf.reader import read_gguf_metadata

from lib.program import InputError, one_line


def convert(file, folder):
    """Write `file`'s model and tokenizer to `folder`; returns what was done, in a sentence.

    The weights are dequantized and stored as bf16, the form in which SmolLM2 and Llama 3.2 are published: its rounding is far
    finer than the four bits that they come from.
    """
    file = Path(file)
    try:
        quantized = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except (ValueError, KeyError, OSError, NotImplementedError) as error:
        raise InputError(
            f"{file.name}: cannot be read as a GGUF model ({one_line(error)}); expected a GGUF of a Llama architecture"
        ) from error
    config = quantized.config
    del config.quantization_config
    if read_gguf_metadata(str(file))[0].get("tokenizer.ggml.pre") == "smollm":
        _split_digits(tokenizer)
    tokenizer.pad_token = _pad_token(tokenizer)
    tokenizer.model_max_length = config.max_position_embeddings
    config.pad_token_id = tokenizer.pad_token_id
    # a fresh model: what was loaded counts as quantized, and refuses to be saved
    model = type(quantized)(config)
    model.load_state_dict(quantized.state_dict())
    model.tie_weights()
    ids = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**ids)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return (
        f"dequantized from {file.name} and stored as bf16; tokenizer and chat template from the same file, pad token {tokenizer.pad_token}"
    )


def _split_digits(tokenizer):
    """SmolLM's tokenizer takes every digit alone; transformers leaves that out when it reads GGUF."""
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer])


def _pad_token(tokenizer):
    """A special token that neither begins nor ends anything, the last of them: padding with one that ends a text would hide the ends."""
    used = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token}
    return [token for token in tokenizer.added_tokens_decoder.values() if token.special and token.content not in used][-1].content
