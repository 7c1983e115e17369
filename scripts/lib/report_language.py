"""A language of the report: its digits, units and fixed phrases.

Figures come out as Markup: they hold nothing that Markdown could misread. What other languages are called, and which way they are
written, comes from the Unicode CLDR (Babel).
"""

from babel import Locale, UnknownLocaleError
from markupsafe import Markup

from lib.markdown_text import escape
from lib.program import InputError

PERSIAN = str.maketrans("0123456789.,", "۰۱۲۳۴۵۶۷۸۹٫٬")
LRM, RLM = "\u200e", "\u200f"
SIGNIFICANT = 0.05
NOTHING = "–"
SECONDS = {"hours": 3600, "minutes": 60, "seconds": 1}
BYTES = {"gigabytes": 1e9, "megabytes": 1e6}


class Language:
    """`texts` is the language's text file: nested keys with phrases, in which {name} stands for a value."""

    def __init__(self, code, texts, source):
        self.code, self.texts, self.source = code, texts, source

    def phrase(self, key, **values):
        """A fixed phrase with its values put in, as text but for those that are Markup."""
        return Markup(self.entry(key).format(**{name: escape(value) for name, value in values.items()}))

    def entry(self, key):
        node = self.texts
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                raise InputError(f"{self.source}: there is no text {key!r}; expected one for every key of the other language; add it")
            node = node[part]
        return node

    def name(self, code):
        """What a language is called in this one, or its code where nobody knows it."""
        return Locale(self.code).languages.get(code, code)

    # ------------------------------------------------------------------ figures

    def figure(self, text):
        """A number written in Latin digits, a point and commas, in the language's own digits and signs."""
        if self.code == "fa":
            # a mark keeps the number from joining the Latin word before it, another keeps the minus on the number's left
            return Markup(RLM + text.translate(PERSIAN).replace("-", f"{LRM}−"))
        return Markup(text.replace("-", "−"))

    def ordered(self, text):
        """A Latin name at the beginning of a line, kept apart from a Latin word that may follow."""
        return Markup(f"{text}{RLM}") if self.code == "fa" else Markup(text)

    def num(self, value, digits=1):
        if value is None:
            return Markup(NOTHING)
        text = f"{value:,.{digits}f}"
        return self.figure(text.lstrip("-") if not text.strip("-0.,") else text)  # no −0.0

    def integer(self, value):
        return self.num(value, 0)

    def scientific(self, value):
        """A small number such as a learning rate, as 2.0e-5."""
        return Markup(NOTHING) if value is None else self.figure(f"{value:.1e}".replace("e-0", "e-").replace("e+00", ""))

    def percent(self, fraction, digits=1):
        return Markup(NOTHING) if fraction is None else self.phrase("units.percent", value=self.num(100 * fraction, digits))

    def interval(self, block, digits=1):
        """`value [low, high]`, for a block of scores in percent."""
        values = {part: self.num(block[part], digits) for part in ("value", "low", "high")}
        return self.isolated(self.phrase("units.interval", **values))

    def fraction(self, block, digits=3):
        """`value [low, high]`, for a block of scores between 0 and 1."""
        return self.interval(block, digits)

    def isolated(self, text):
        """Text whose parts keep their reading order beside Latin words."""
        return Markup(f"\u2067{text}\u2069") if self.code == "fa" else text

    def p_value(self, p):
        if p < 0.001:
            return self.phrase("units.p_below", value=self.num(0.001, 3))
        return self.phrase("units.p", value=self.num(p, 3 if p < 0.0995 else 2))

    def seconds(self, seconds):
        if seconds is None:
            return Markup(NOTHING)
        unit = next(unit for unit, size in SECONDS.items() if seconds >= 2 * size or size == 1)
        return self.phrase(f"units.{unit}", value=self.num(seconds / SECONDS[unit]))

    def gigabytes(self, number):
        return Markup(NOTHING) if number is None else self.phrase("units.gigabytes", value=self.num(number / BYTES["gigabytes"], 2))

    def megabytes(self, number):
        return Markup(NOTHING) if number is None else self.phrase("units.megabytes", value=self.num(number / BYTES["megabytes"], 1))

    def unit_sizes(self):
        """{symbol: size}, by which times and sizes in different units can be put in order."""
        return {self.entry(f"units.{unit}").format(value="").strip(): size for unit, size in (SECONDS | BYTES).items()}

    def memory(self, number):
        """In the unit that leaves figures to be seen."""
        return self.gigabytes(number) if number is None or number >= 1e9 else self.megabytes(number)

    # ------------------------------------------------------------------ judgements

    def difference(self, difference, *p_values, digits=1):
        """A phrase chosen by the paired test: higher, lower, or not clearly different; the last p, Holm's, decides."""
        *raw, holm = p_values
        shown = [*map(self.p_value, raw), self.phrase("units.holm", p=self.p_value(holm))]
        verdict = judged(difference, holm)
        shown_difference = self.num(difference if verdict == "unclear" else abs(difference), digits)  # the words say which is higher
        return self.isolated(self.phrase(f"versus.{verdict}", difference=shown_difference, p=self.phrase("words.semicolon").join(shown)))


def judged(difference, p):
    """`higher` or `lower` where the test finds a difference, else `unclear`."""
    if p >= SIGNIFICANT or difference == 0:
        return "unclear"
    return "higher" if difference > 0 else "lower"


def apart(one, other):
    """`higher` or `lower` where the intervals of two blocks do not overlap, else `unclear`."""
    if one["low"] > other["high"]:
        return "higher"
    return "lower" if one["high"] < other["low"] else "unclear"


def direction(code):
    """`rtl` or `ltr`, for the code of a language."""
    try:
        return "rtl" if Locale.parse(code, sep="-").character_order == "right-to-left" else "ltr"
    except (UnknownLocaleError, ValueError):
        return "ltr"
