"""Raw text cut into words: as the corpora cut it, in both scripts, and nothing of it lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.letters import remove_invisible
from lib.words import words

SIGNS = [*"aZñ9۵.٫٬,:/-'’&_ \n«»؟،یک@hnt", *"\u200c\u200d\u200b\u200f\u00ad\ufeff\u0301\u064b\ufe0f", *"👍🏽🇮🇷"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O'Brien don't IT'S AT&T players'", "O'Brien do n't IT 'S AT&T players '"),
        ("George W. Bush's U.S.-led, 10-year-old 1990s", "George W. Bush 's U.S.-led , 10-year-old 1990s"),
        ("1,000.5 on 1996-08-22 at 12:30...", "1,000.5 on 1996-08-22 at 12:30 ..."),
        ("۱٬۰۰۰ یا ۱۲٫۵٪، ۱۴۰۲/۰۳/۱۲؟", "۱٬۰۰۰ یا ۱۲٫۵ ٪ ، ۱۴۰۲/۰۳/۱۲ ؟"),
        ("\u200fمی\u200cرود\u200e می\u200bرود", "می\u200cرود می\u200bرود"),
        ("(see https://a.org/x?y=1). a.b@c.de!", "( see https://a.org/x?y=1 ) . a.b@c.de !"),
        ("👍🏽🇮🇷 Cafe\u0301", "👍🏽 🇮🇷 Cafe\u0301"),
    ],
)
def test_text_is_cut_as_the_corpora_cut_it(text, expected):
    assert [word for word, _, _ in words(text)] == expected.split(" ")


@given(st.text(st.sampled_from(SIGNS) | st.characters(), max_size=30))
def test_offsets_give_the_words_and_only_space_and_invisible_characters_are_between(text):
    at = 0
    for word, start, end in words(text):
        assert word == text[start:end]
        assert remove_invisible(word, "en")
        assert not remove_invisible(text[at:start], "en")
        at = end
    assert not remove_invisible(text[at:], "en")
