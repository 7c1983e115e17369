"""Tagged sentences as an HTML fragment that can be pasted into any page: its style is inline, and everything is escaped."""

from html import escape

from lib.ner_scores import entities

RIGHT_TO_LEFT = {"ar", "ckb", "fa", "he", "ps", "sd", "ug", "ur", "yi"}
COLOURS = {"PER": "#cfe3ff", "ORG": "#ffe3b8", "LOC": "#cdf0d3"}
OTHER_COLOUR = "#e6e0f3"


def direction(language):
    """`rtl` or `ltr`, by the language's ISO code (or a tag that begins with it: fa-IR)."""
    return "rtl" if language.lower().split("-")[0] in RIGHT_TO_LEFT else "ltr"


def fragment(sentences):
    """A paragraph a sentence, with a <mark> an entity (as scores read them: an I- tag that goes on with nothing is part of none).

    sentences   dicts of language, text, offsets (start and end of each word in the text) and tags; the text is shown as it is
    """
    paragraphs = (_paragraph(**{name: sentence[name] for name in ("language", "text", "offsets", "tags")}) for sentence in sentences)
    return "\n".join(['<div class="entities">', *paragraphs, "</div>\n"])


def _paragraph(language, text, offsets, tags):
    pieces, shown = [], 0
    for label, first, last in entities(tags):
        start, end = offsets[first][0], offsets[last - 1][1]
        pieces += [escape(text[shown:start]), _mark(text[start:end], label)]
        shown = end
    pieces.append(escape(text[shown:]))
    style = "white-space: pre-wrap; line-height: 2"
    return f'<p lang="{escape(language)}" dir="{direction(language)}" style="{style}">{"".join(pieces)}</p>'


def _mark(text, label):
    style = f"background: {COLOURS.get(label, OTHER_COLOUR)}; color: #1a1a1a; border-radius: 0.3em; padding: 0.1em 0.3em"
    small = "font: bold 0.65em sans-serif; unicode-bidi: isolate"
    return f'<mark style="{style}">{escape(text)} <small dir="ltr" lang="en" style="{small}">{escape(label)}</small></mark>'
