"""Markdown to HTML, for texts whose data has been escaped."""

import re

from markdown_it import MarkdownIt

ID = re.compile(r"^([NSPDW]\d+)\u200f? · ")


def html(markdown):
    """The body of a page: tables that scroll by themselves, ids in headings as badges, links that leave the page marked as such."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    for rule in (table_open, table_close, cell_open, link_open, heading_open):
        renderer.add_render_rule("th_open" if rule is cell_open else rule.__name__, rule)
    renderer.add_render_rule("td_open", cell_open)
    return renderer.render(markdown)


def table_open(self, tokens, index, options, env):
    return '<div class="table" tabindex="0">\n<table>\n'


def table_close(self, tokens, index, options, env):
    return "</table>\n</div>\n"


def cell_open(self, tokens, index, options, env):
    token = tokens[index]
    if token.attrs.pop("style", None):
        token.attrSet("class", "figure")
    if token.tag == "th":
        token.attrSet("scope", "col")
    return self.renderToken(tokens, index, options, env)


def link_open(self, tokens, index, options, env):
    token = tokens[index]
    if not str(token.attrs["href"]).startswith("#"):
        token.attrSet("rel", "noreferrer")
    return self.renderToken(tokens, index, options, env)


def heading_open(self, tokens, index, options, env):
    first = tokens[index + 1].children[:1]
    for child in first:
        badge = ID.match(child.content)
        if child.type == "text" and badge:
            child.type, child.content = "html_inline", f'<span class="id">{badge[1]}</span> {child.content[badge.end() :]}'
    return self.renderToken(tokens, index, options, env)
