"""Markdown made from data: text that can only appear as text, tables, and quotations.

Whatever a template prints goes through `escape`, unless it is already Markup, which only the functions of this project make.
"""

import html
import re
import unicodedata

from markupsafe import Markup

# Character references mean the same in Markdown and in HTML blocks, where a backslash would show; none of them opens emphasis or a link.
SPECIAL = {ord(character): f"&#{ord(character)};" for character in "\\`*[]|~$"} | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
JOINERS = "\u200c\u200d"  # part of Persian spelling, though Unicode counts them as format characters
FENCE = re.compile(r"(```+|~~~+)")
CODE_SPAN = re.compile(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
KEPT = re.compile(r"&#(96|124);")  # a backtick would end the code span, a bar the cell of a table
BLOCK_START = re.compile(r"^( *)(?:([-+=#])|(\d+)([.)]))")


def escape(value):
    """Any value as inline Markdown that shows exactly its text, on one line; control characters show as their code points."""
    if isinstance(value, Markup):
        return value
    text = visible(re.sub(r"\s+", " ", str(value))).translate(SPECIAL)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", "&#95;", text)  # within a word it opens nothing
    text = re.sub(r"(?i)\b(https?|ftp)://", r"\1&#58;//", text)  # GitHub makes links of bare addresses
    text = re.sub(r"(?i)\bwww\.", "www&#46;", text)
    text = re.sub(r"(?<=\w)@(?=\w)", "&#64;", text)
    return Markup(BLOCK_START.sub(_literal_start, text))


def _literal_code(span):
    ticks, content = span.groups()
    literal = html.unescape(content)
    return f"<code>{escape(literal)}</code>" if KEPT.search(content) else f"{ticks}{literal}{ticks}"


def _literal_start(match):
    spaces, sign, digits, end = match.groups()
    return f"{spaces}{digits or ''}&#{ord(sign or end)};"


def visible(text):
    """Control and format characters, which could hide or reorder text, as ⟨U+202E⟩."""
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if unicodedata.category(character) in ("Cc", "Cf", "Cs") and character not in JOINERS else character
        for character in text
    )


def code(value):
    """A name, a path or a setting, as it stands in a file."""
    text = escape(value)
    return Markup(f"<code>{text}</code>" if KEPT.search(text) else f"`{text}`")


def paragraphs(text):
    """The paragraphs of a longer text, each escaped."""
    return [escape(part.strip()) for part in str(text).splitlines() if part.strip()]


def literal_code_spans(markdown):
    """Markdown with character references taken back inside of `code spans`, where they would show as they are written.

    Only templates write backticks: those of data are references themselves, and stay so.
    """
    lines, fence = [], None
    for line in markdown.split("\n"):
        mark = FENCE.match(line)
        if fence is None and mark:
            fence = mark[1]
        elif fence is not None:
            fence = None if line.strip() == fence else fence
        else:
            line = CODE_SPAN.sub(_literal_code, line)
        lines.append(line)
    return "\n".join(lines)
