"""Where a summary says what its reference says: the longest runs of words that both have."""

import re

WORD = re.compile(r"[^\W_]+(?:[-'’.,\u200c][^\W_]+)*")  # no-one  O'Brien  1,000  می‌رود
AT_LEAST = 2  # words in a run; a single one is mostly chance


def shared_runs(text, reference):
    """Places (start, end) of `text` that hold a run of words of `reference`, from left to right; marks and capitals do not count."""
    ours, theirs = spoken(text), [word for word, _, _ in spoken(reference)]
    places = {}
    for place, word in enumerate(theirs):
        places.setdefault(word, []).append(place)
    runs, start = [], 0
    while start < len(ours):
        length = max((same(ours[start:], theirs[place:]) for place in places.get(ours[start][0], [])), default=0)
        if length >= AT_LEAST:
            runs.append((ours[start][1], ours[start + length - 1][2]))
        start += max(length, 1) if length >= AT_LEAST else 1
    return runs


def spoken(text):
    """The words of a text without its marks: (folded word, start, end)."""
    return [(match[0].casefold(), match.start(), match.end()) for match in WORD.finditer(text)]


def same(ours, theirs):
    """How many words from the beginning on are the same."""
    pairs = zip(ours, theirs, strict=False)
    return next((count for count, ((one, _, _), other) in enumerate(pairs) if one != other), min(len(ours), len(theirs)))
