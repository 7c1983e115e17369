"""Letters of a token: one code point for one letter, nothing invisible, and the bare form in which texts are compared.

The steps `normalize_letters` and `remove_invisible` of `ner.cleaning`; lib.cleaning's RULES says in words what they do.
"""

import re
import unicodedata
from functools import lru_cache

ZWNJ, ZWJ = "\u200c", "\u200d"
ARABIC_LETTERS = {"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه"}
ARABIC_DIGITS = {chr(0x660 + digit): chr(0x6F0 + digit) for digit in range(10)}
PRESENTATION_FORMS = {
    chr(code): form
    for code in (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFF))
    if (form := unicodedata.normalize("NFKC", chr(code))) != chr(code) and " " not in form
}
PERSIAN = str.maketrans(
    {
        **{char: form.translate(str.maketrans(ARABIC_LETTERS)) for char, form in PRESENTATION_FORMS.items()},
        **ARABIC_LETTERS,
        **ARABIC_DIGITS,
    }
)
PERSIAN_JOINERS = str.maketrans(
    {"\u00ac": ZWNJ, "\u00ad": ZWNJ, "\u200b": ZWNJ, ZWJ: None}
)  # not sign (of an old encoding), soft hyphen, zero-width space
VISIBLE_FORMATS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x8E2}  # Unicode's category Cf, but drawn: number and verse signs of Arabic script
INVISIBLE = {
    code: None
    for code in range(0x110000)
    if unicodedata.category(chr(code)) in ("Cc", "Cf") and code not in VISIBLE_FORMATS and chr(code) not in (ZWNJ, ZWJ)
}
SPACES = re.compile(r"\s+")
SPACES_AND_ZWNJ = re.compile(f"[ {ZWNJ}]+")
JOINERS = re.compile(f"[{ZWNJ}{ZWJ}]+")
remembered = lru_cache(maxsize=100_000)  # tokens repeat, and more of them would only take memory


@remembered
def normalize_letters(token, language):
    token = unicodedata.normalize("NFC", token)
    return token.translate(PERSIAN) if language == "fa" else token


@remembered
def remove_invisible(token, language):
    while (cleaned := _without_invisible(token, language)) != token:  # what is removed can bring spaces or joiners together
        token = cleaned
    return token


def _without_invisible(token, language):
    if language == "fa":
        token = token.translate(PERSIAN_JOINERS)
    token = SPACES.sub(" ", token).translate(INVISIBLE).strip()
    if language == "fa":
        token = SPACES_AND_ZWNJ.sub(lambda match: ZWNJ if _is_inside(match) else match[0], token)
    return JOINERS.sub(lambda match: match[0][0] if _is_inside(match) else "", token).strip()


def _is_inside(match):
    """Whether a match stands between two letters, marks or digits."""
    around = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    return all(neighbour and unicodedata.category(neighbour)[0] in "LMN" for neighbour in around)


@remembered
def bare(token, language):
    """A token without what copies may differ in: letter variants, invisible characters and spaces."""
    return remove_invisible(normalize_letters(token, language), language).replace(ZWNJ, "").replace(" ", "")


def bare_text(tokens, language):
    """A sentence without what copies may differ in: letter variants, invisible characters and spaces."""
    return "".join([bare(token, language) for token in tokens])
