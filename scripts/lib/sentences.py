"""One way to split text into sentences, for Lead-k, for statistics and for ROUGE-Lsum: blingfire, within lines."""

import blingfire


def sentences(text):
    found = (sentence.strip() for line in text.splitlines() for sentence in blingfire.text_to_sentences(line).split("\n"))
    return [sentence for sentence in found if sentence]
