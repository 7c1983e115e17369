"""XLM-R's tokenizer, built from its pieces."""

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]  # ids 0 to 3; <mask> is the last piece


def unigram_tokenizer(pieces, max_length):
    """A fast tokenizer from (piece, score) pairs in the order of their ids, for texts of up to `max_length` tokens.

    XLM-R's own normaliser is a table compiled by sentencepiece. Nmt and NFKC give the same for all of Unicode that the table
    knows, but for the full-width tilde; the zero-width non-joiner becomes a space in both.
    """
    if [piece for piece, _ in pieces[:4]] != SPECIALS or pieces[-1][0] != "<mask>":
        raise ValueError(f"not XLM-R's order of special tokens: starts with {pieces[:4]}, ends with {pieces[-1]}")
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
