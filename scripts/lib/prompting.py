"""Prompts: what a model reads before it writes a summary; generation and fine-tuning use exactly the same text.

Articles and references are data: a special token that is spelled out in one of them stays plain text.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import jinja2
import yaml
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from lib.program import InputError, one_line

# before a chat template that asks for the day, as that of Llama 3.2 does: the one that it writes where nothing tells it the day
ONE_DAY = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"

# ------------------------------------------------------------------ templates


@dataclass(frozen=True)
class Template:
    """A prompt template. Shots are (article, reference) pairs; every reference is written on one line."""

    name: str
    version: int  # raised whenever the wording changes
    prompt_text: str
    stop_strings: tuple  # texts that end a summary, beside the tokens that do

    def end_ids(self, tokenizer, folder):
        """Ids of the tokens that end a summary written by the model in `folder`."""
        return end_ids(tokenizer, folder)

    def with_article(self, tokenizer, article):
        return self.prompt_text.replace("{article}", as_data(tokenizer, article))

    @staticmethod
    def token_ids(tokenizer, text):
        """Ids of a text that already names its special tokens; BOS stands first exactly once if the tokenizer adds one."""
        ids = tokenizer(text, add_special_tokens=False).input_ids
        bos = tokenizer("").input_ids[:1]
        return ids if not bos or bos != [tokenizer.bos_token_id] or ids[:1] == bos else bos + ids

    def completion_ids(self, tokenizer, reference):
        """Ids of the completion, to follow those of the prompt."""
        return tokenizer(self.completion(tokenizer, reference), add_special_tokens=False).input_ids

    def room(self, tokenizer, limit, shots=()):
        """Tokens that a prompt of `limit` tokens leaves to the article."""
        return limit - len(self.token_ids(tokenizer, self.prompt(tokenizer, "", shots)))

    def fitted(self, tokenizer, article, limit, shots=()):
        """(ids of the prompt, whether the article was shortened): the prompt takes at most `limit` tokens, and only the article gives way.

        Raises InputError if the prompt does not fit even without an article.
        """
        ids = self.token_ids(tokenizer, self.prompt(tokenizer, article, shots))
        if len(ids) <= limit:
            return ids, False
        article = as_data(tokenizer, article)  # now, since a special token spelled out takes more tokens than a special token
        room = self.room(tokenizer, limit, shots)
        while room > 0:
            text, _ = shorten(tokenizer, article, room)
            ids = self.token_ids(tokenizer, self.prompt(tokenizer, text, shots))
            if len(ids) <= limit:
                return ids, True
            room -= len(ids) - limit
        raise InputError(
            f"prompt {self.name} with {len(shots)} shots: found {limit - room} tokens beside the article, expected fewer than {limit}; "
            "allow more (max_prompt_tokens), or give fewer or shorter shots (shots, shot_article_tokens)"
        )


@dataclass(frozen=True)
class PlainTemplate(Template):
    """For base models: a text to continue."""

    reference_text: str
    between_shots: str

    def prompt(self, tokenizer, article, shots=()):
        blocks = [
            self.with_article(tokenizer, text) + self.with_reference(tokenizer, reference) + self.between_shots for text, reference in shots
        ]
        return "".join(blocks) + self.with_article(tokenizer, article)

    def with_reference(self, tokenizer, reference):
        return self.reference_text.replace("{reference}", one_line(as_data(tokenizer, reference)))

    def completion(self, tokenizer, reference):
        return self.with_reference(tokenizer, reference) + tokenizer.eos_token


@dataclass(frozen=True)
class ChatTemplate(Template):
    """For instruct models: a conversation, written by the tokenizer's own chat template."""

    system: str

    def prompt(self, tokenizer, article, shots=()):
        return rendered(tokenizer, self.turns(tokenizer, article, shots), add_generation_prompt=True)

    def turns(self, tokenizer, article, shots=()):
        messages = [{"role": "system", "content": self.system}]
        for text, reference in shots:
            messages += [user(self.with_article(tokenizer, text)), assistant(one_line(as_data(tokenizer, reference)))]
        return [*messages, user(self.with_article(tokenizer, article))]

    def completion(self, tokenizer, reference):
        return one_line(as_data(tokenizer, reference)) + self.end_of_turn(tokenizer)

    def end_of_turn(self, tokenizer):
        return end_of_turn(tokenizer, self.system)

    def end_ids(self, tokenizer, folder):
        return sorted({*end_ids(tokenizer, folder), tokenizer.convert_tokens_to_ids(self.end_of_turn(tokenizer))})


def load_template(path):
    """The prompt template in a YAML file (prompts/*.yaml). Raises InputError for a key that is missing, unknown or of the wrong type."""
    texts = {"plain": ["prompt", "reference", "between_shots"], "chat": ["system", "prompt"]}
    try:
        keys = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML ({one_line(error)}); expected the keys of a template; correct the file") from None
    kind = keys.pop("kind", None) if isinstance(keys, dict) else None
    if kind not in texts:
        raise InputError(f"{path}: kind is {kind!r}; expected {' or '.join(texts)}; correct it")
    expected = ["version", *texts[kind], "stop"]
    if set(keys) != set(expected):
        raise InputError(f"{path}: found the keys {', '.join(sorted(keys))}; expected {', '.join(expected)}; add or remove keys")
    if type(keys["version"]) is not int or keys["version"] < 1:
        raise InputError(
            f"{path}: version is {keys['version']!r}; expected a whole number from 1 on, raised when the wording changes; correct it"
        )
    for key in texts[kind]:
        if not isinstance(keys[key], str):
            raise InputError(f"{path}: {key} is {keys[key]!r}; expected a text; write it in quotes")
    for key, field in [("prompt", "{article}"), ("reference", "{reference}")]:
        if key in keys and keys[key].count(field) != 1:
            raise InputError(f"{path}: {key} has {field} {keys[key].count(field)} times; expected it once; correct the text")
    if not isinstance(keys["stop"], list) or not all(isinstance(text, str) and text for text in keys["stop"]):
        raise InputError(f"{path}: stop is {keys['stop']!r}; expected a list of texts, or []; correct it")
    if kind == "plain" and not keys["stop"]:
        raise InputError(f"{path}: stop is empty; expected a text that ends the summary of a base model; add one")
    common = {"name": Path(path).stem, "version": keys["version"], "prompt_text": keys["prompt"], "stop_strings": tuple(keys["stop"])}
    if kind == "plain":
        return PlainTemplate(**common, reference_text=keys["reference"], between_shots=keys["between_shots"])
    return ChatTemplate(**common, system=keys["system"])


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def rendered(tokenizer, messages, **options):
    """The conversation as the tokenizer's chat template writes it, the same on every day."""
    if not tokenizer.chat_template:
        raise InputError(
            f"{tokenizer.name_or_path}: the tokenizer has no chat template; expected one, or a template for base models; set prompt: plain"
        )
    try:
        return tokenizer.apply_chat_template(messages, chat_template=ONE_DAY + tokenizer.chat_template, tokenize=False, **options)
    except jinja2.TemplateError as error:
        raise InputError(
            f"{tokenizer.name_or_path}: its chat template refuses the conversation: {error}; write a prompt template that suits it"
        ) from None


@lru_cache
def end_of_turn(tokenizer, system):
    """The special token that the chat template writes after an assistant's last words."""
    messages = [{"role": "system", "content": system}, user("Article.")]
    prompt, answer = rendered(tokenizer, messages, add_generation_prompt=True), "Summary."
    after = special_tokens(tokenizer).match(rendered(tokenizer, [*messages, assistant(answer)]).removeprefix(prompt + answer))
    if after is None:
        raise InputError(
            f"{tokenizer.name_or_path}: its chat template ends a turn without a special token; expected one; set prompt: plain"
        )
    return after[0]


# ------------------------------------------------------------------ articles and references


def as_data(tokenizer, text):
    """The text, stripped, with a space inside whatever the tokenizer would read as a special token."""
    return special_tokens(tokenizer).sub(lambda match: f"{match[0][0]} {match[0][1:]}", text.strip())


@lru_cache
def special_tokens(tokenizer):
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    longest_first = sorted(
        (token for token in added | set(tokenizer.all_special_tokens) if len(token) > 1), key=lambda token: (-len(token), token)
    )
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def shorten(tokenizer, article, tokens):
    """(text, was_truncated): the longest beginning of the article, cut between two tokens, that takes at most `tokens` tokens."""
    offsets = tokenizer(article, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    if len(offsets) <= tokens:
        return article, False
    keep = tokens
    while keep > 0:
        # the tokens of one character share its offsets; cut before it if it is not whole
        text = article[: min(offsets[keep - 1][1], max(offsets[keep][0], offsets[keep - 1][0]))]
        excess = len(tokenizer(text, add_special_tokens=False).input_ids) - tokens
        if excess <= 0:
            return text, True
        keep -= excess
    return "", True


# ------------------------------------------------------------------ tokenizers


def ready_tokenizer(folder):
    """The tokenizer of a model folder: padding on the left, and a pad token that ends no summary (`tokenizer.pad_token` tells which).

    Raises InputError if the folder has no tokenizer, or none that can pad without growing the model's vocabulary, or
    one with tokens for which the model's embedding has no row.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
        rows = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config().vocab_size
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: no tokenizer that can be read ({error}); expected tokenizer.json and config.json; fetch it again"
        ) from None
    if not tokenizer.is_fast:
        raise InputError(
            f"{folder}: the tokenizer does not tell where its tokens stand in a text; expected a tokenizer.json; "
            "convert it, or name another model"
        )
    if tokenizer.eos_token is None:
        raise InputError(
            f"{folder}: the tokenizer has no end-of-text token, so nothing could end a summary; expected one; "
            "set eos_token in tokenizer_config.json"
        )
    if len(tokenizer) > rows:
        raise InputError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, and the model's embedding {rows} rows; expected a row for every token; "
            "fetch the model again"
        )
    tokenizer.pad_token = pad_token(tokenizer, end_ids(tokenizer, folder))
    return tokenizer


def end_ids(tokenizer, folder):
    """Ids that end a text: the tokenizer's end, and those of the model's generation_config.json."""
    ids = {tokenizer.eos_token_id}
    if (Path(folder) / "generation_config.json").is_file():
        named = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
        ids |= set(named if isinstance(named, list) else [] if named is None else [named])
    return sorted(ids)


def pad_token(tokenizer, ends):
    """A special token of the tokenizer that means nothing in a prompt: its own pad token, one made for it, a reserved or an unused one."""
    used = (tokenizer.chat_template or "") + (tokenizer.bos_token or "")
    free = {token.content: id for id, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special and id not in ends}
    if tokenizer.pad_token in free and tokenizer.pad_token not in used:
        return tokenizer.pad_token
    free = [token for token in free if token not in used]
    for sought in ("pad", "reserved", "unk", ""):
        matching = [token for token in free if sought in token.lower()]
        if matching:
            return matching[-1] if sought == "" else matching[0]
    raise InputError(
        f"{tokenizer.name_or_path}: no special token is free to serve as padding; found {', '.join(tokenizer.all_special_tokens)}; "
        "name a pad_token of its own, which the model's embedding has a row for, in tokenizer_config.json"
    )
