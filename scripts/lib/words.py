"""Raw text as words and punctuation marks, as the corpora of named entities cut it, with their places in the text.

Between two words there is nothing but white space and invisible characters. A script that writes no spaces is not cut into words.
"""

import re
import sys
import unicodedata

from lib.letters import INVISIBLE, ZWJ, ZWNJ


def _class(codes):
    """The inside of a regular expression's [] for some code points, given in ascending order."""
    ranges = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


HIDDEN = _class(sorted({*INVISIBLE, ord(ZWNJ), ord(ZWJ)}))
MARKS = _class(code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M")  # no part of \w
LETTER = r"[^\W\d_]"
RUN = rf"[^\W_][\w{MARKS}]*"
CLITIC = r"[’'](?i:s|re|ve|ll|d|m|t)\b"
SIGN = rf"[^\w\s{HIDDEN}][{MARKS}\U0001f3fb-\U0001f3ff]*"  # with an emoji's variant and skin
# U.S.  a.m.  and any other run of letters and digits
PIECE = rf"(?:{LETTER}(?:\.{LETTER})+(?:\.|(?!\w))|{RUN})"
# hyphen, &, middle dot, Hebrew's abbreviation marks, apostrophe, joiners (also the characters that stand for them), decimal separators
JOINT = rf"(?:[-&·׳״]|(?!{CLITIC})[’']|[\u200b-\u200d\u00ad\u2060]+|(?<=\d)[.,:/٫٬](?=\d))"

WORD = re.compile(
    rf"""
      (?:https?://|www\.)[^\s{HIDDEN}<>"«»“”]*[^\s{HIDDEN}<>"«»“”.,;:!?()\[\]{{}}’'،؛؟…]   # an address, without the sentence's own marks
    | [\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+
    | {LETTER}+?(?=n[’']t\b)          # do n't
    | n[’']t\b
    | (?<=[\w.]){CLITIC}              # Germany 's
    | [A-Z]\.(?=\s+\w)                # George W. Bush
    | {PIECE}(?:{JOINT}{PIECE})*      # 1996-08-22  ۱۲٫۵  no-one  O'Brien  می‌رود
    | \.{{2,}} | -{{2,}}
    | [\U0001f1e6-\U0001f1ff]{{2}}    # a flag
    | {SIGN}(?:{ZWJ}{SIGN})*          # any other visible sign by itself
    | _
    """,
    re.VERBOSE,
)


def words(text):
    """The words of `text`, each as (word, start, end): text[start:end] is the word."""
    return [(match[0], match.start(), match.end()) for match in WORD.finditer(text)]
