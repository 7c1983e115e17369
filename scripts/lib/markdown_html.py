"""Markdown to HTML, for texts whose data has been escaped."""

import re

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

ID = re.compile(r"^([NSPDW]\d+)\u200f? · ")
LATIN_REST = r"[A-Za-z0-9]*(?:[-–_./+'’:]+[A-Za-z0-9]+)*\+*"  # of a word, or of a number that follows one in a name
PIECES = re.compile(  # whole elements that are left as they are (none holds another of its name), tags, characters by name, Latin words
    rf"""<(?P<apart>svg|pre|code|bdi)\b.*?</(?P=apart)>|<(?P<latin_element>div|p|span)\b[^>]*(?:dir="ltr"|class="id").*?</(?P=latin_element)>
    |<[^>]*>|&[#\w]+;|(?<!\w)(?P<latin>[A-Za-z]{LATIN_REST}(?:(?:,|[ ]\+)?[ ][A-Za-z0-9]{LATIN_REST})*)""",
    re.DOTALL | re.VERBOSE,
)


def html(markdown, direction):
    """The body of a page.

    Tables scroll by themselves, ids before titles are badges, links that leave the page are marked as such; where the page is written
    from right to left (`direction` is `rtl`), Latin words are kept together and are marked as English.
    """
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    for rule in (table_open, table_close, fence, link_open):
        renderer.add_render_rule(rule.__name__, rule)
    for tag in ("th_open", "td_open"):
        renderer.add_render_rule(tag, cell_open)
    renderer.core.ruler.push("badges", badges)
    page = renderer.render(markdown)
    return latin_apart(page) if direction == "rtl" else page


# ------------------------------------------------------------------ what is drawn otherwise than Markdown says


def table_open(self, tokens, index, options, env):
    names = []
    for token in tokens[index:]:
        if token.type == "thead_close":
            break
        if token.type == "inline":
            names.append("".join(child.content for child in token.children if child.type in ("text", "code_inline")))
    label = escapeHtml(" · ".join(filter(None, names)))
    return f'<div class="table" role="group" aria-label="{label}" tabindex="0">\n<table>\n'


def table_close(self, tokens, index, options, env):
    return "</table>\n</div>\n"


def cell_open(self, tokens, index, options, env):
    token = tokens[index]
    if token.attrs.pop("style", None):
        token.attrSet("class", "figure")
    if token.tag == "th" and tokens[index + 1].content:
        token.attrSet("scope", "col")
    elif token.tag == "th":  # a corner names no column
        token.tag = tokens[index + 2].tag = "td"
    return self.renderToken(tokens, index, options, env)


def fence(self, tokens, index, options, env):
    token = tokens[index]
    return f'<pre tabindex="0"><code class="language-{escapeHtml(token.info)}">{escapeHtml(token.content)}</code></pre>\n'


def link_open(self, tokens, index, options, env):
    token, text = tokens[index], tokens[index + 1].content
    if not str(token.attrs["href"]).startswith("#"):
        token.attrSet("rel", "noreferrer")
        if text == token.attrs["href"]:
            token.attrSet("class", "address")  # print need not repeat it
    return self.renderToken(tokens, index, options, env)


# ------------------------------------------------------------------ what is put into the text


def badges(state):
    """The id that a heading or a link begins with."""
    for place, token in enumerate(state.tokens):
        if token.type != "inline":
            continue
        children = []
        for child in token.children:
            opening = children[-1] if children else state.tokens[place - 1]
            badge = ID.match(child.content) if child.type == "text" and opening.type in ("heading_open", "link_open") else None
            if badge:
                child.content = child.content[badge.end() :]
                children.append(Token("html_inline", "", 0, content=f'<span class="id">{badge[1]}</span> '))
            children.append(child)
        token.children = children


def latin_apart(html):
    """The same HTML with each run of Latin words in an element of its own, but where an element keeps them apart already."""
    return PIECES.sub(lambda piece: f'<bdi lang="en">{piece[0]}</bdi>' if piece["latin"] else piece[0], html)
