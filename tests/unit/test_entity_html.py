"""A tagged sentence as HTML: its text as it stands, entities marked, and nothing of it read as HTML."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from lib.entity_html import fragment
from lib.words import words

TAG = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])


def sentence(language, text, tags):
    return {"language": language, "text": text, "offsets": [[start, end] for _, start, end in words(text)], "tags": tags.split()}


def shown(html):
    """The text that a reader sees, without the labels of types."""
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r" <small.*?</small>", "", html)))


def test_entities_are_marked_in_the_text_as_it_stands():
    html = fragment([sentence("en", "Ada  Lovelace, of <London>", "B-PER I-PER O O O B-LOC O")])
    assert re.findall(r"<mark[^>]*>(.*?) <small", html) == ["Ada  Lovelace", "London"]
    assert 'dir="ltr"' in html
    assert "&lt;<mark" in html
    assert "<London>" not in html


def test_persian_stands_right_to_left_with_its_joiners():
    html = fragment([sentence("fa", "او در سان\u200cفرانسیسکو است.", "O O B-LOC O O")])
    assert '<p lang="fa" dir="rtl"' in html
    assert re.findall(r"<mark[^>]*>(.*?) <small", html) == ["سان\u200cفرانسیسکو"]


def test_a_tag_that_goes_on_with_nothing_marks_nothing():
    assert "<mark" not in fragment([sentence("en", "in London", "O I-LOC")])


@given(st.text(max_size=40), st.data())
def test_no_text_is_lost_or_read_as_html(text, data):
    cut = words(text)
    tags = data.draw(st.lists(TAG, min_size=len(cut), max_size=len(cut)))
    entry = {"language": "en", "text": text, "offsets": [[start, end] for _, start, end in cut], "tags": tags}
    html = fragment([entry])
    body = html.removeprefix('<div class="entities">\n').removesuffix("\n</div>\n")
    assert shown(body) == text
