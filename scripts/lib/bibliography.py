"""Citations, and facts from elsewhere: only what stands in the bibliography file and in the file of facts can be named."""

import re
from functools import cache

from markupsafe import Markup
from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyDataError, parse_string
from pybtex.scanner import PybtexSyntaxError
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.template import field, sentence

from lib.markdown_text import escape
from lib.program import InputError


class Markdown(Backend):
    symbols = {"ndash": "–", "newblock": " ", "nbsp": "\u00a0"}

    def format_str(self, text):
        return str(escape(text))

    def format_protected(self, text):
        return text


class Style(Unsorted):
    def format_title(self, entry, which_field, as_sentence=True):
        """As written: a style that lowers letters would lower names too."""
        title = field(which_field)
        return sentence[title] if as_sentence else title


@cache
def style():
    """pybtex looks through all installed packages whenever one is made."""
    return Style()


@cache
def entries(source):
    """{key: entry} of BibTeX."""
    return parse_string(source, "bibtex").entries


@cache
def formatted(source, key):
    """An entry of BibTeX as Markdown, which takes its time and is the same in every report."""
    [entry] = style().format_entries([entries(source)[key]])
    return entry.text.render(Markdown(None))


class Bibliography:
    """Entries of a BibTeX file and other sources, numbered in the order in which a report first cites them."""

    def __init__(self, path, figure):
        """`figure` writes a number in the digits of the report's language."""
        self.source = path.read_text(encoding="utf-8")
        try:
            self.keys = set(entries(self.source))
        except (PybtexSyntaxError, BibliographyDataError) as error:
            raise InputError(f"{path}: {error}; expected BibTeX; correct the entry") from None
        self.path, self.figure = path, figure
        self.cited = {}  # anchor → the reference in Markdown, in the order of the numbers

    def cite(self, *keys):
        """Links to the references with these keys."""
        return Markup(" ").join(self._link(key, lambda key=key: self._formatted(key)) for key in keys)

    def cite_other(self, name, where):
        """A link to a source that is no publication."""
        return self._link(re.sub(r"\W+", "-", name.lower()).strip("-"), lambda: f"{escape(name)}. {escape(where)}.")

    def references(self):
        """(anchor, Markdown) of everything cited so far, in the order of the numbers."""
        return [(anchor, Markup(text)) for anchor, text in self.cited.items()]

    def _formatted(self, key):
        if key not in self.keys:
            raise InputError(f"{self.path}: no entry {key!r}; expected every key that a text cites; add the entry or correct the citation")
        return formatted(self.source, key)

    def _link(self, anchor, formatted):
        if anchor not in self.cited:
            self.cited[anchor] = formatted()
        return Markup(f"[\\[{self.figure(str(list(self.cited).index(anchor) + 1))}\\]](#ref-{anchor})")
