"""The ways to choose a prompt's shots, by name; without the libraries that choose them, since most prompts show none."""

FIXED, BY_ARTICLE = ("random", "short"), ("similar", "diverse")  # one choice for all articles, and one for each
SELECTIONS = FIXED + BY_ARTICLE
