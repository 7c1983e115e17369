"""Prompts: one text for generation and for training, special tokens that data cannot forge, and articles that give way."""

from shutil import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.program import InputError
from lib.prompting import load_template, ready_tokenizer, shorten
from summarizing import CHAT, PLAIN, PROMPTS, tiny, tokenizer

TEMPLATES = [PLAIN, CHAT]
SHOTS = (("A first article.", "A first\nsummary."), ("A second article.", "A second summary."))
texts = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["<|start|>", "<|end|>", "<|endoftext|>", "<|begin|>", "<|pad|>", "{article}", "{reference}", "a", " ", "\n", "é", "متن"]
    )
).map("".join)


def special_ids(ids):
    return [id for id in ids if id in tokenizer().all_special_ids]


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_beginning_token_stands_first_and_once(template):
    ids = template.token_ids(tokenizer(), template.prompt(tokenizer(), "An article.", SHOTS))
    assert ids[0] == tokenizer().bos_token_id
    assert ids.count(tokenizer().bos_token_id) == 1


@pytest.mark.parametrize("template", TEMPLATES)
@settings(deadline=None, max_examples=60)
@given(article=texts, reference=texts)
def test_special_tokens_spelled_out_in_data_stay_text(template, article, reference):
    forged = template.token_ids(tokenizer(), template.prompt(tokenizer(), article, [(article, reference)]))
    honest = template.token_ids(tokenizer(), template.prompt(tokenizer(), "x", [("x", "x")]))
    assert special_ids(forged) == special_ids(honest)
    completion = template.completion_ids(tokenizer(), reference)
    assert special_ids(completion) == special_ids(completion[-1:])


@settings(deadline=None, max_examples=60)
@given(article=st.text(max_size=80), tokens=st.integers(0, 60))
def test_a_shortened_article_is_a_beginning_of_it_that_fits(article, tokens):
    text, was_truncated = shorten(tokenizer(), article, tokens)
    assert article.startswith(text)
    assert len(tokenizer()(text, add_special_tokens=False).input_ids) <= tokens
    assert was_truncated == (text != article)


def test_shortening_takes_no_more_than_needed():
    assert shorten(tokenizer(), "abcdef", 4) == ("abcd", True)
    assert shorten(tokenizer(), "abcdef", 6) == ("abcdef", False)
    assert shorten(tokenizer(), "éé", 3) == ("é", True)  # two bytes a letter, and no half letter


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_prompt_fits_the_limit_and_only_the_article_gives_way(template):
    article = "word <|end|> " * 400
    ids, was_truncated = template.fitted(tokenizer(), article, 500, SHOTS)
    assert was_truncated
    assert len(ids) == 500  # a token a byte: it fits exactly
    text = tokenizer().decode(ids)
    assert "A second summary." in text and text.endswith(("Summary:", "<|start|>assistant\n"))
    assert template.fitted(tokenizer(), "Short.", 500, SHOTS)[1] is False


def test_shots_that_leave_no_room_are_an_error_that_tells_the_way_out():
    with pytest.raises(InputError, match="max_prompt_tokens.*shot_article_tokens"):
        PLAIN.fitted(tokenizer(), "An article.", 20, SHOTS)


def test_a_shot_is_written_like_a_training_row():
    article, reference = SHOTS[0]
    end = tokenizer().eos_token
    assert PLAIN.completion(tokenizer(), reference) == " A first summary." + end
    row = PLAIN.prompt(tokenizer(), article) + PLAIN.completion(tokenizer(), reference).removesuffix(end)
    assert PLAIN.prompt(tokenizer(), "x", SHOTS).startswith(row)
    row = CHAT.prompt(tokenizer(), article) + CHAT.completion(tokenizer(), reference)
    assert CHAT.prompt(tokenizer(), "x", SHOTS).startswith(row)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_completion_ends_with_a_token_that_ends_summaries(template):
    assert template.completion_ids(tokenizer(), "A summary.")[-1] in template.end_ids(tokenizer(), tiny("llama"))


def test_the_chat_templates_own_system_message_does_not_come_in():
    default = tokenizer().chat_template.replace(
        "{{ bos_token }}", "{{ bos_token }}{% if messages[0]['role'] != 'system' %}I am Bot.{% endif %}"
    )
    other = ready_tokenizer(tiny("llama"))
    other.chat_template = default
    assert "I am Bot." in other.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    prompt = CHAT.prompt(other, "An article.", SHOTS)
    assert "I am Bot." not in prompt
    assert prompt.count(CHAT.system) == 1


def test_a_chat_template_that_writes_the_day_writes_the_same_one_every_day():
    """As that of Llama 3.2 does; summaries would differ from day to day."""
    dated = ready_tokenizer(tiny("llama"))
    dated.chat_template = (
        "{% if not date_string is defined %}{% if strftime_now is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
        "{% else %}{% set date_string = '26 Jul 2024' %}{% endif %}{% endif %}Today Date: {{ date_string }}\n" + dated.chat_template
    )
    prompt = CHAT.prompt(dated, "An article.", SHOTS)
    assert prompt == "Today Date: 26 Jul 2024\n" + CHAT.prompt(tokenizer(), "An article.", SHOTS)


def test_a_tokenizer_without_chat_template_is_refused_with_the_way_out():
    other = ready_tokenizer(tiny("llama"))
    other.chat_template = None
    with pytest.raises(InputError, match="prompt: plain"):
        CHAT.prompt(other, "An article.")


@pytest.mark.parametrize("named", ["<|endoftext|>", "<|end|>", "<|begin|>", None])
def test_the_pad_token_never_ends_a_summary(tmp_path, named):
    other = ready_tokenizer(tiny("llama"))
    other.pad_token = named
    copy(tiny("llama") / "config.json", tmp_path)
    other.save_pretrained(tmp_path)
    ready = ready_tokenizer(tmp_path)
    assert ready.pad_token == "<|pad|>"  # neither an end, nor what the chat template writes
    assert ready.padding_side == "left"
    assert len(ready) == len(other)


def test_without_a_free_special_token_nothing_is_guessed(tmp_path):
    other = ready_tokenizer(tiny("llama"))
    other.chat_template += "<|pad|>"
    copy(tiny("llama") / "config.json", tmp_path)
    other.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="pad_token"):
        ready_tokenizer(tmp_path)


def test_a_folder_without_tokenizer_is_named(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        ready_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["plain", "chat", "chat_highlights"])
def test_the_projects_templates_load(name):
    template = load_template(PROMPTS / f"{name}.yaml")
    assert template.name == name and template.version >= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: poem", "kind is 'poem'"),
        ("[]", "kind is None"),
        ("kind: chat\nversion: 1\nprompt: '{article}'\nstop: []", "expected version, system, prompt, stop"),
        ("kind: chat\nversion: one\nsystem: a\nprompt: '{article}'\nstop: []", "version is 'one'"),
        ("kind: chat\nversion: 1\nsystem: 1\nprompt: '{article}'\nstop: []", "system is 1"),
        ("kind: chat\nversion: 1\nsystem: a\nprompt: b\nstop: []", "prompt has {article} 0 times"),
        ("kind: chat\nversion: 1\nsystem: a\nprompt: '{article}'\nstop: x", "stop is 'x'"),
        ("kind: plain\nversion: 1\nprompt: '{article}'\nreference: '{reference}'\nbetween_shots: ''\nstop: []", "stop is empty"),
        ("kind: 'plain", "not YAML"),
    ],
)
def test_a_wrong_template_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_template(path)
    assert message in str(error.value) and str(path) in str(error.value)
