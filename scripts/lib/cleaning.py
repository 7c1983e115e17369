"""Cleaning of tagged sentences: steps on tokens and tags of a row, and steps that choose among rows.

Each step is named as in `ner.cleaning` of the configuration; RULES says in words what it does.
"""

from zlib import crc32

import numpy as np

from lib.digests import SEPARATOR, digest
from lib.labels import OUTSIDE, is_orphan
from lib.letters import bare, bare_text, normalize_letters, remove_invisible

RULES = {
    "normalize_letters": "letters in Unicode's composed form (NFC); in Persian also ي and ى to ی, ك to ک, ة to ه, presentation forms to "
    "letters, Arabic-Indic digits to Persian ones",
    "remove_invisible": "zero-width characters, byte order marks, direction marks and control characters removed, spaces around a token "
    "removed; in Persian a space or another character that stands for the zero-width non-joiner (ZWNJ) between two letters becomes one; "
    "a ZWNJ stays only inside a word",
    "drop_unequal": "sentences with more or fewer tags than tokens dropped",
    "drop_empty": "tokens without a character dropped, an entity that began there begins at its next token; "
    "sentences without a token dropped",
    "repair_bio": "an I- tag that goes on with nothing becomes B-",
    "resolve_conflicts": "of a sentence that a split of a data set holds with several taggings, the copies with the commonest one stay; "
    "on a tie, those with the first",
    "deduplicate_within": "of a sentence that a split holds more than once, in whichever data sets, the first copy stays",
    "deduplicate_across": "test keeps its sentences; copies of them leave validation and train, and copies of validation's leave train",
    "deduplicate_near": "test keeps its sentences; sentences of validation and train that differ little from one of them leave, "
    "and those of train that differ little from one of validation; copies are deduplicate_across's",
}
HELD_OUT = 0.1  # of the sentences of train, where a data set has no validation split

TOKEN_STEPS = {"normalize_letters": normalize_letters, "remove_invisible": remove_invisible}


def key_of(tokens, language):
    """A digest that copies of a sentence share, whatever their letter variants, invisible characters and spaces.

    Sentences of two languages are no copies of each other, even if both are the same name or number.
    """
    return digest(f"{language}{SEPARATOR}{bare_text(tokens, language)}")


def tagging_of(tokens, tags, language):
    """A digest of how a sentence is cut into tokens and tagged, which copies share that are cut and tagged alike."""
    return digest(SEPARATOR.join([*(str(len(bare(token, language))) for token in tokens), *tags]))


def clean_token(token, language, steps):
    """A token after those of `steps` that concern tokens by themselves."""
    for step in steps:
        token = TOKEN_STEPS[step](token, language)
    return token


# ------------------------------------------------------------------ rows


def clean_row(tokens, tags, language, steps):
    """Tokens and tags after those of `steps` that concern a single row, and how many tokens each of them changed: {step: tokens}."""
    changed = {}
    for step, normalize in TOKEN_STEPS.items():
        if step in steps:
            new = [normalize(token, language) for token in tokens]
            if new != tokens:
                changed[step] = sum(one != other for one, other in zip(new, tokens, strict=True))
                tokens = new
    if "drop_empty" in steps and not all(map(str.strip, tokens)):
        before = len(tokens)
        tokens, tags = drop_empty(tokens, tags)
        changed["drop_empty"] = before - len(tokens)
    if "repair_bio" in steps:
        repaired = repair_bio(tags)
        if repaired != tags:
            changed["repair_bio"] = sum(one != other for one, other in zip(repaired, tags, strict=True))
            tags = repaired
    return tokens, tags, changed


def drop_empty(tokens, tags):
    """Without tokens that have no visible character; an entity that loses its first token begins at the next."""
    kept_tokens, kept_tags, begins = [], [], None  # `begins`: the type of an entity whose beginning was dropped
    for token, tag in zip(tokens, tags, strict=True):
        if not token.strip():
            if tag[0] == "B":
                begins = tag[2:]
            elif tag == OUTSIDE:
                begins = None
            continue
        if begins and tag == f"I-{begins}":
            tag = f"B-{begins}"
        begins = None
        kept_tokens.append(token)
        kept_tags.append(tag)
    return kept_tokens, kept_tags


def repair_bio(tags):
    repaired, previous = [], None
    for tag in tags:
        previous = f"B{tag[1:]}" if is_orphan(tag, previous) else tag
        repaired.append(previous)
    return repaired


def is_iob2(tags):
    return not any(is_orphan(tag, previous) for previous, tag in zip([None, *tags], tags, strict=False))


# ------------------------------------------------------------------ choosing among rows
# A frame has a line a row: dataset, split, key, tagging. Each step gives a boolean a line: whether the row goes.


def resolve_conflicts(frame):
    """In each data set by itself: annotators of another one followed other guidelines and tagged other types."""
    group = ["dataset", "split", "key"]
    lines = frame[[*group, "tagging"]].assign(line=np.arange(len(frame)))
    taggings = lines.groupby([*group, "tagging"], sort=False, observed=True)["line"].agg(copies="size", first="min").reset_index()
    best = taggings.sort_values(["copies", "first"], ascending=[False, True]).drop_duplicates(group)
    chosen = lines.merge(best[[*group, "tagging"]].rename(columns={"tagging": "best"}), on=group, how="left", sort=False)
    return chosen["tagging"].to_numpy() != chosen["best"].to_numpy()


def deduplicate_within(frame):
    """Whatever the data set: the merged split would hold the sentence twice."""
    return frame.duplicated(["split", "key"]).to_numpy()


def deduplicate_across(frame):
    """Whatever the data set: a sentence of one data set's test leaks from another's train just as well."""
    split, key = frame["split"].to_numpy(), frame["key"].to_numpy()
    in_test = np.isin(key, key[split == "test"])
    in_validation = np.isin(key, key[split == "validation"])
    return ((split != "test") & in_test) | ((split == "train") & in_validation)


ROW_STEPS = {"resolve_conflicts": resolve_conflicts, "deduplicate_within": deduplicate_within, "deduplicate_across": deduplicate_across}


def held_out(keys, seed, name):
    """A boolean a row of train: whether it becomes validation. All copies of a sentence go together."""
    unique = np.unique(keys)
    chosen = generator(seed, name).choice(unique, size=max(1, round(HELD_OUT * len(unique))), replace=False)
    return np.isin(keys, chosen)


def sample(count, limit, seed, name):
    """Positions of `limit` of `count` rows, in order; all of them without a limit."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(generator(seed, name).choice(count, size=limit, replace=False))


def generator(seed, name):
    """Random numbers that depend on the seed and on what they are for, so that one sample does not move another."""
    return np.random.default_rng([seed, crc32(name.encode())])
