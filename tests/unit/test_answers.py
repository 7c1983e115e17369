"""The answers: all of them, long and short enough, the same in both languages, with no figure but the run's and those of facts.yaml."""

import re
from types import SimpleNamespace

import jinja2
import pytest
import yaml
from jinja2 import nodes

import report
from lib.answers import chosen_answer
from report_run import ROOT, make_run, with_studies, without, write_text

FOLDER = ROOT / "report" / "answers"
LANGUAGES = ("en", "fa")
QUESTIONS = yaml.safe_load((ROOT / "report" / "requirements.yaml").read_text("utf-8"))["questions"]
FEWEST, MOST = 120, 650  # words: a page of A4, set as the report is in print
NAMES = r"""[A-Z]\w*-\d[\w.-]*|\w*[A-Za-z-]\w*\d[\w.]*|\d+:\d+|\b[\d.]+[BM]\b|\b4 bits|\b16-bit"""  # BF16, P5, ROUGE-1, 2:4, 1.7B
RUNS = {
    "plain": {"overrides": {"seeds": [42]}},
    "studies": {"overrides": {"seeds": [42, 43]}, "change": with_studies},
}


def source(language, question):
    return (FOLDER / language / f"{question}.md").read_text("utf-8")


@pytest.fixture(scope="module", params=RUNS)
def answers(request, tmp_path_factory):
    """{(language, question): the answer as Markdown} of a run."""
    folder = make_run(tmp_path_factory.mktemp("run"), **RUNS[request.param])
    return {(language, question): text for language in LANGUAGES for question, text in written(folder, language).items()}


def written(folder, language):
    """{question: the answer as Markdown} in one language."""
    run, project = report.load_run(folder), ROOT / "report"
    places = SimpleNamespace(report_folder=project, templates=[project / "templates"], answers=[FOLDER], prompts=ROOT / "prompts")
    sources = report.read_sources(places, report.provenance(run["rules"], folder / "benchmarks", folder / "preflight.json", ROOT))
    texts = project / f"texts.{language}.yaml"
    of_language = report.Report(run, report.Language(language, report.read_yaml(texts), texts), "md", sources)
    return {question: str(of_language.environment.from_string(f'{{{{ answer("{question}") }}}}').render()) for question in QUESTIONS}


def test_every_question_has_a_file_in_both_languages():
    for language in LANGUAGES:
        assert sorted(path.stem for path in (FOLDER / language).iterdir()) == sorted(QUESTIONS)


def test_answers_are_of_120_words_at_least_and_a_page_at_most(answers):
    lengths = {key: len(text.split()) for key, text in answers.items()}
    assert {key: length for key, length in lengths.items() if not FEWEST <= length <= MOST} == {}


def test_a_run_without_the_systems_asked_about_still_gets_an_answer(tmp_path):
    change = without("smollm2_tuned", "smollm2_base", "llama_zero_shot", "llama_few_shot")
    folder = make_run(tmp_path, overrides={"seeds": [42]}, change=change)
    english, persian = (written(folder, language) for language in LANGUAGES)
    assert all("smollm2_tuned" in texts["P3"] for texts in (english, persian))
    assert not [question for question in QUESTIONS if "Undefined" in english[question] + persian[question]]


# ------------------------------------------------------------------ the same in both languages


def calls(text, *names):
    """Every call of these functions in a template, with its arguments, in the order of the text."""
    tree = jinja2.Environment().parse(text)
    found = [node for node in tree.find_all(nodes.Call) if isinstance(node.node, nodes.Name) and node.node.name in names]
    return sorted((node.node.name, *(str(argument.value) for argument in node.args if isinstance(argument, nodes.Const))) for node in found)


def placeholders(text):
    """What a template prints, without fixed words of either language."""
    body = re.findall(r"\{\{(.*?)\}\}", text, re.S)
    return sorted(re.sub(r'"[^"]*[^\x00-\x7f"][^"]*"|"[^"\w]*"|" and "', '""', re.sub(r"\s+", " ", part.strip())) for part in body)


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_languages_have_the_same_placeholders_citations_and_facts(question):
    english, persian = (source(language, question) for language in LANGUAGES)
    for names in (("cite",), ("fact",), ("versus", "score", "better", "quality", "prose", "answer", "missing", "known")):
        assert calls(english, *names) == calls(persian, *names)
    changed = set(placeholders(english)) ^ set(placeholders(persian))
    assert not [part for part in changed if re.search(r"run\.|test\.|score|versus|fact|cite", part) and not is_worded(part)], changed
    assert len(placeholders(english)) == len(placeholders(persian))
    links = [sorted(re.findall(r"\]\((#\w+)\)", text)) for text in (english, persian)]
    assert links[0] == links[1]


def is_worded(part):
    """A macro is given the words that go into its sentence."""
    return part.startswith("done(")


def test_both_languages_print_the_same_figures(answers):
    digits = str.maketrans("۰۱۲۳۴۵۶۷۸۹٫٬", "0123456789.,")
    for question in QUESTIONS:
        english, persian = (
            re.sub("[\u200e\u200f\u2067\u2069]", "", answers[language, question]).translate(digits) for language in LANGUAGES
        )
        figures = [sorted(re.findall(r"(?<![\w#/-])\d+(?:[.,]\d+)*", re.sub(NAMES, " ", text))) for text in (english, persian)]
        assert figures[0] == figures[1], question


# ------------------------------------------------------------------ figures, citations, words that judge


def fixed_words(text):
    """What a template says whatever the run is, without code, formulas, names that hold a digit, and numbered lists."""
    text = re.sub(r"```.*?```|`[^`]*`|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|\]\(#\w+\)|^\d+\. ", " ", text, flags=re.S | re.M)
    return re.sub(NAMES, " ", text)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_figure_is_typed(language, question):
    assert re.findall(r"[\d۰-۹]+(?:[.,٫٬][\d۰-۹]+)?", fixed_words(source(language, question))) == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_answer_has_a_measured_or_a_cited_fact(question):
    text = source("en", question)
    assert calls(text, "cite", "fact"), "nothing of the literature"
    assert "run." in text or calls(text, "score", "versus"), "nothing of the run"


def test_facts_name_a_source_that_is_there():
    facts = yaml.safe_load((ROOT / "report" / "facts.yaml").read_text("utf-8"))
    used = {call[1] for language in LANGUAGES for question in QUESTIONS for call in calls(source(language, question), "fact") if call[1:]}
    bibliography = (ROOT / "report" / "references.bib").read_text("utf-8")
    shapes = {name for name in facts if name.startswith("smollm2_")}  # S19 goes through these by size and part
    assert used <= set(facts)
    assert set(facts) - used <= shapes
    for name, fact in facts.items():
        given = fact["source"]
        assert {"name", "where"} <= set(given) if isinstance(given, dict) else re.search(rf"@\w+{{{given},", bibliography), name


def test_the_bibliography_names_each_publication_once_and_with_its_parts():
    entries = re.findall(r"@(\w+)\{([\w-]+), (.*)\}$", (ROOT / "report" / "references.bib").read_text("utf-8"), re.M)
    keys = [key for _, key, _ in entries]
    assert len(keys) == len(set(keys)) > 50
    for _, key, fields in entries:
        assert {"title", "author", "year"} <= set(re.findall(r"(\w+)=\{", fields)), key
        assert re.search(r"(journal|booktitle|eprint|url|doi)=\{", fields), key


# ------------------------------------------------------------------ whose answer


def test_an_own_answer_counts_and_a_copy_of_the_projects_does_not(tmp_path):
    own = tmp_path / "own"
    assert chosen_answer([own, FOLDER], "en", "N2") == (FOLDER / "en" / "N2.md", False)
    write_text(own / "en" / "N2.md", source("en", "N2") + "\n")
    assert chosen_answer([own, FOLDER], "en", "N2") == (own / "en" / "N2.md", False)
    write_text(own / "en" / "N2.md", "In my own words.")
    assert chosen_answer([own, FOLDER], "en", "N2") == (own / "en" / "N2.md", True)
    assert chosen_answer([own, FOLDER], "fa", "N2")[1] is False
