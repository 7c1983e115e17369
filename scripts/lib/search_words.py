"""Texts as words by which one is found or compared, in any script."""

import unicodedata

import regex

# letters of scripts that put no space between words are words by themselves, as in Lucene's standard analyzer
WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*|[\p{L}\p{N}][\p{L}\p{N}\p{M}]*(?:\u200c[\p{L}\p{N}\p{M}]+)*"
)
SAME_LETTER = str.maketrans("يىك", "ییک")  # Persian typed on an Arabic keyboard


def words(text):
    """The words of a text in any script, in the form in which texts are compared."""
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold().translate(SAME_LETTER))
