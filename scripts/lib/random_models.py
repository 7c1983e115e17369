"""Random models of some ten thousand weights, with real tokenizers: for the smoke preset and for tests.

They have the folder layout, the classes and the special tokens of the models they stand in for, and know nothing.
"""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from lib.xlmr_tokenizer import SPECIALS, unigram_tokenizer

LATIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PERSIAN = "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژکگھۀی"  # with the Arabic variants that texts mix in
DIGITS = "0123456789۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩"
PUNCTUATION = ".,:;!?'\"()[]{}<>-–—_/\\|@#$%&*+=~^`“”‘’«»،؛؟٪٫٬…\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0654"
CHARACTERS = list(dict.fromkeys(LATIN + PERSIAN + DIGITS + PUNCTUATION))

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def make(architecture, folder, seed, **shape):
    """Write a model folder to `folder`: `architecture` is llama, xlm_roberta or bert; `shape` overrides arguments of its config class.

    The same seed gives the same bytes. The global random state is left as it was.
    """
    folder = Path(folder)
    tokenizer, build, defaults = ARCHITECTURES[architecture]
    tokenizer = tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build(tokenizer, {**defaults, **shape}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


# ------------------------------------------------------------------ models


def _llama(tokenizer, shape):
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        **shape,
    )
    return LlamaForCausalLM(config)


def _xlm_roberta(tokenizer, shape):
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        type_vocab_size=1,
        **shape,
    )
    return XLMRobertaModel(config)


def _bert(tokenizer, shape):
    return BertModel(BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **shape))


# ------------------------------------------------------------------ tokenizers


def _byte_tokenizer():
    """Byte-level BPE without merges: any text, a token a byte. Like Llama's it adds the beginning token, and has a chat template."""
    specials = ["<|pad|>", "<|begin|>", "<|endoftext|>", "<|start|>", "<|end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(specials + alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B", special_tokens=[("<|begin|>", specials.index("<|begin|>"))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        bos_token="<|begin|>",
        eos_token="<|endoftext|>",
        additional_special_tokens=["<|start|>", "<|end|>"],
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _unigram_tokenizer():
    """XLM-R's scheme with single characters for pieces."""
    pieces = [(token, 0.0) for token in SPECIALS]
    pieces += [(character, -3.0) for character in ["▁", *CHARACTERS]]
    return unigram_tokenizer([*pieces, ("<mask>", 0.0)], max_length=512)


def _wordpiece_tokenizer():
    """BERT's scheme with single characters for pieces."""
    letters = [character for character in CHARACTERS if character.lower() == character]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    return BertTokenizer(vocab={token: number for number, token in enumerate(tokens)}, model_max_length=512)


_DECODER = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}  # nf4 has blocks of 64
_ENCODER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
ARCHITECTURES = {
    "llama": (_byte_tokenizer, _llama, {**_DECODER, "num_key_value_heads": 1, "max_position_embeddings": 8192}),
    "xlm_roberta": (_unigram_tokenizer, _xlm_roberta, {**_ENCODER, "max_position_embeddings": 514}),
    "bert": (_wordpiece_tokenizer, _bert, {**_ENCODER, "max_position_embeddings": 512}),
}
