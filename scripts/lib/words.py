"""Raw text as words and punctuation marks, as the corpora of named entities cut it, with their places in the text."""

import re

WORD = re.compile(
    r"""
      (?:[^\W\d_]\.){2,}                                  # U.S.
    | \d+(?:[.,:/٫٬-]\d+)*                                # 3.14  1,000  12:30  ۱۲٫۵  1996-08-22
    | [’'](?:s|S|re|ve|ll|d|m|t)\b                        # Germany 's
    | [^\W_][\w\u064b-\u065f\u0670]*(?:[\u200c-][\w\u064b-\u065f\u0670]+)*  # words, with hyphens, with Persian's non-joiner and vowel signs
    | [^\w\s\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]                # any other visible sign by itself
    | _
    """,
    re.VERBOSE,
)


def words(text):
    """The words of `text`, each as (word, start, end): text[start:end] is the word."""
    return [(match[0], match.start(), match.end()) for match in WORD.finditer(text)]
