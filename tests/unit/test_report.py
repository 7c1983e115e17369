"""The report: every id in its order, in both languages and forms; figures of the run and no others; data that stays data."""

import base64
import fnmatch
import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import report
from lib import markdown_html
from lib.markdown_text import escape, literal_code_spans, visible
from lib.report_data import load_run, reading, run_files
from lib.report_figures import Picture
from lib.report_language import Language, direction
from lib.report_provenance import provenance
from lib.report_studies import STANDING, figure_names
from report_run import POINTS, ROOT, STUDIES, TYPES, make_run, with_studies, without

REQUIREMENTS = yaml.safe_load((ROOT / "report" / "requirements.yaml").read_text(encoding="utf-8"))
IDS = [f"{part}{number}" for part, last in (("N", 13), ("S", 21), ("P", 8), ("D", 4), ("W", 8)) for number in range(1, last + 1)]
QUESTIONS = re.findall(r"\w+", "N2 N3 N7 N8 N12 S1 S4 S8 S9 S10 S11 S12 S13 S16 S17 S18 S19 S20 S21 P3 P4 P5 P6 P7 P8")
LANGUAGES, FORMS = ("en", "fa"), ("md", "html")
REPORTS = list(product(LANGUAGES, FORMS))
DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٫٬", "0123456789.,")
MARKS = re.compile("[\u200e\u200f\u2066\u2067\u2069]")

HIDDEN = ("style", "script", "title")
ALT = re.compile(r"!\[([^]]+)\]\((figures/\w+\.\w+\.svg)\)")

pytestmark = pytest.mark.usefixtures("pictures_drawn_once")


def write_report(run, *, own_answers=None, own_templates=None, languages=LANGUAGES):
    """Run the script; {(language, form): text}."""
    arguments = [
        *("--config", str(run / "config.yaml"), "--report-folder", str(ROOT / "report"), "--output", str(run / "report")),
        *("--prompts", str(ROOT / "prompts")),
        *("--templates", *filter(None, [own_templates]), str(ROOT / "report" / "templates")),
        *("--answers", *filter(None, [own_answers]), str(ROOT / "report" / "answers")),
        *("--benchmarks", str(run / "benchmarks"), "--preflight", str(run / "preflight.json")),
    ]
    with mock.patch.object(report, "LANGUAGES", languages):
        report.main(arguments)
    reports = product(languages, FORMS)
    return {(language, form): (run / "report" / f"report.{language}.{form}").read_text("utf-8") for language, form in reports}


def in_english(run):
    """The English Markdown alone."""
    return write_report(run, languages=("en",))["en", "md"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), overrides={"seeds": [42, 43]})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A run with a study of each subject, and its reports."""
    folder = make_run(tmp_path_factory.mktemp("study"), overrides={"seeds": [42]}, change=with_studies)
    return folder, write_report(folder)


@pytest.fixture(scope="module")
def texts(run):
    return write_report(run)


class Page(HTMLParser):
    """What a browser makes of a page: elements with their attributes, and all text that it shows."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.shown, self.hidden = [], [], 0
        self.feed(html)
        self.text = "".join(self.shown)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.hidden += tag in HIDDEN

    def handle_endtag(self, tag):
        self.hidden -= tag in HIDDEN

    def handle_data(self, data):
        if not self.hidden:
            self.shown.append(data)


# ------------------------------------------------------------------ structure


def test_requirements_are_those_of_the_assignment():
    assert [id for section in REQUIREMENTS["sections"] for id in section["ids"]] == IDS
    assert REQUIREMENTS["questions"] == QUESTIONS


@pytest.mark.parametrize(("language", "form"), REPORTS)
def test_every_id_has_its_place_in_order(texts, language, form):
    text = MARKS.sub("", texts[language, form])
    heading = r'<h3><span class="id">(\w+)</span>' if form == "html" else r"^### (\w+) ·"
    assert re.findall(heading, text, re.M) == IDS
    assert re.findall(r'<a id="([NSPDW]\d+)">', text) == IDS


@pytest.mark.parametrize(("language", "form"), REPORTS)
def test_every_question_is_answered_in_its_place(texts, language, form):
    heading = {"en": "Answer", "fa": "پاسخ"}[language]
    sections = re.split(r'<a id="([NSPDW]\d+)"></a>', texts[language, form])
    answered = [id for id, text in zip(sections[1::2], sections[2::2], strict=True) if f"{heading}\n" in text or f"{heading}</h4>" in text]
    assert answered == QUESTIONS


def test_links_within_the_report_lead_somewhere(texts):
    for text in texts.values():
        anchors = re.findall(r'id="([^"]+)"', text)
        assert len(anchors) == len(set(anchors))
        assert set(re.findall(r'(?:href="#|\]\(#)([^")]+)', text)) <= set(anchors)


def keys(node, path=""):
    for name, value in node.items():
        yield from keys(value, f"{path}{name}.") if isinstance(value, dict) else [f"{path}{name}"]


def test_both_languages_have_the_same_texts():
    english, persian = (yaml.safe_load((ROOT / "report" / f"texts.{code}.yaml").read_text("utf-8")) for code in LANGUAGES)
    assert sorted(keys(english)) == sorted(keys(persian))


def test_both_languages_have_the_same_structure(texts):
    """Headings, tables with their rows and columns, references and foldable parts, but for the questions' own texts."""

    def outline(html):
        html = re.sub(r"<svg.*?</svg>", "<svg>", html)  # words of other lengths make other axes
        pieces = re.split(r"<h4>.*?</h4>.*?(?=<a id=|<h2)", html, flags=re.S)  # answers are others' texts
        return re.findall(r"<(h[1-6]|table|tr|td|th|details|figure|svg)\b", "".join(pieces))

    assert outline(texts["en", "html"]) == outline(texts["fa", "html"])


def test_no_markdown_is_left_in_the_pages(texts):
    for language in LANGUAGES:
        prose = re.sub(r"<(style|script|pre|code)\b.*?</\1>", "", texts[language, "html"], flags=re.S)
        assert not re.search(r"<p>\s*\||\*\*|^#{1,6} |&amp;#\d|&amp;\w+;|\]\(|None\b|Undefined", prose, re.M)


def test_pages_need_no_network_and_allow_none(texts):
    for language in LANGUAGES:
        page = Page(texts[language, "html"])
        assert not [attributes for tag, attributes in page.elements if "src" in attributes or tag in ("link", "iframe", "img")]
        assert not re.search(r"url\((?!data:)|@import", texts[language, "html"])
        policy = next(a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        allowed = {"script": rules["script-src"], "style": rules["style-src"]}
        for tag, source in allowed.items():
            (inline,) = re.findall(rf"<{tag}>(.*?)</{tag}>", texts[language, "html"], re.S)
            assert source == f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
        assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
        assert {rules["font-src"], rules["img-src"]} == {"data:"}
    assert page.elements[0] == ("html", {"lang": "fa", "dir": "rtl"})


def test_both_languages_have_the_same_ids_links_and_figures(texts):
    """In their order, but for the questions' own texts; numbers of tables are folded to Latin digits."""

    def of(text):
        text = MARKS.sub("", text)
        pieces = re.split(r"^#### .*?(?=<a id=|^## )", text, flags=re.S | re.M)
        text = "".join(pieces)
        links = [link.replace(".fa.", ".en.") for link in re.findall(r"\]\(([^)]*)\)", text)]
        prose = re.sub(r"```.*?```|`[^`]*`|<[^>]*>|\]\([^)]*\)", "", text, flags=re.S)
        numbers = re.findall(r"\d(?:[\d,.]*\d)?", prose.translate(DIGITS))
        return re.findall(r'<a id="([^"]+)">', text), links, re.findall("`[^`\n]+`", text), numbers

    (ids, links, codes, numbers), (ids_fa, links_fa, codes_fa, numbers_fa) = (of(texts[language, "md"]) for language in LANGUAGES)
    assert ids == ids_fa
    assert sorted(links) == sorted(links_fa)
    assert sorted(set(codes)) == sorted(set(codes_fa))
    assert set(numbers) == set(numbers_fa)


# ------------------------------------------------------------------ where figures come from


def test_every_file_that_figures_are_read_from_is_named_with_its_rule_where_they_stand(study):
    folder, _ = study
    run, form, project = load_run(folder), "md", ROOT / "report"
    folders = {"templates": [project / "templates"], "answers": [project / "answers"], "prompts": ROOT / "prompts"}
    places = SimpleNamespace(**folders, report_folder=project)
    sources = report.read_sources(places, provenance(run["rules"], folder / "benchmarks", folder / "preflight.json", ROOT))
    language = Language("en", yaml.safe_load((project / "texts.en.yaml").read_text("utf-8")), "texts.en.yaml")
    written = report.Report(run, language, form, sources)
    written.pictures = {name: Picture("", name, "", ["system"], []) for name in figure_names(run["config"])}
    parts = [("findings.md.j2", {}), ("systems.md.j2", {}), *(("requirement.md.j2", {"id": id}) for id in IDS)]
    for template, context in parts:
        with reading() as files:
            text = literal_code_spans(written.rendered(written.environment.get_template(template), template, context))
        named = dict(re.findall(r"\[`([^`]+)`\]\(\.\./([^)]*)\)", text))
        read = {Path(file).relative_to(folder).as_posix() for file in files if folder in Path(file).parents}
        measured = [path for path in read & set(run_files(run["config"])) - {"config.yaml"} if not path.startswith("assets/")]  # titles
        assert not [path for path in measured if not any(fnmatch.fnmatch(path, name) for name in named)], context
        assert all((folder / place).exists() for place in named.values())
        assert not measured or "#rule-" in text


def test_each_picture_and_answer_names_its_files(study):
    _, texts = study
    assert "`summarization/systems/*/scores.json`](../summarization/systems/) (rule [`score`](#rule-score))" in section(texts, "findings")
    answer = section(texts, "S16").split("#### Answer")[1]
    assert "[`summarization/comparison.csv`](../summarization/comparison.csv) (rule [`compare_systems`](#rule-compare_systems))" in answer
    assert "[`summarization/systems/smollm2_tuned/training.json`]" in answer and "config.yaml" not in answer


def test_what_the_jobs_took_stands_at_the_end(texts):
    text = section(texts, "provenance") + texts["en", "md"]
    row = "`finetune` | `scripts/finetune.py` | 3 | 2 | 3.5\u00a0min | 110.0\u00a0s | 3.15\u00a0GB |"
    assert row in text, "jobs of systems that are no longer there do not count"
    assert "  prune -.-> finetune" in text and "A processor" in text
    assert re.search(r"No measurement is there for .*`report`", text)
    for language in LANGUAGES:
        assert "finetune" in re.search(r"rule-graph-title.*?</svg>", texts[language, "html"], re.S)[0]


# ------------------------------------------------------------------ figures


def test_figures_are_the_runs(texts):
    """Scores of the run stand in all four, in the digits of the language, and the same figures in both languages."""
    for (language, _form), text in texts.items():
        text = MARKS.sub("", text)
        assert ("۲۸٫۰ [۲۵٫۰، ۳۱٫۰]" if language == "fa" else "28.0 [25.0, 31.0]") in text
        assert ("۰٫۶۸۰" if language == "fa" else "0.680") in text
        assert ("۳۰٫۰۰٪" if language == "fa" else "30.00\u00a0%") in text
    english, persian = (MARKS.sub("", texts[code, "md"]).translate(DIGITS) for code in LANGUAGES)
    rows = [re.findall(r"^\|.*\|$", text, re.M) for text in (english, persian)]
    figures = [[re.findall(r"\d[\d.,]*\d|\d", row) for row in language] for language in rows]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("file", sorted((ROOT / "report" / "templates").rglob("*.j2")), ids=lambda path: path.name)
def test_no_figure_is_typed_in_a_template(file):
    text = re.sub(r"\{[{%#].*?[}%#]\}|<[^>]*>|charset=.*|content=.*|@font-face \{.*?\n\}", "", file.read_text("utf-8"), flags=re.S)
    assert not re.search(r"\d", re.sub(r"^#{1,6}\s|^\|[-: |]*$", "", text, flags=re.M)), file


def test_words_that_judge_follow_the_test(texts, tmp_path):
    """The same difference is a difference where the test finds one, and none where it does not; what was not expected is said."""
    warning, clear = "Not as expected", texts["en", "md"]
    assert "higher by 8.0 points (p\u00a0=\u00a00.010; adjusted p\u00a0=\u00a00.040)" in clear
    assert warning not in clear
    unclear = in_english(make_run(tmp_path / "unclear", points=POINTS | {"smollm2_tuned": 20.4}, p=0.62))
    assert "higher by" not in unclear.split("## Warnings")[0].split("### N1")[0]
    assert "not clearly different (difference 0.4 points, p\u00a0=\u00a00.62; adjusted p\u00a0=\u00a01.00)" in unclear
    assert unclear.count(warning) == 3  # tuned, pruned, retuned
    nearly = in_english(make_run(tmp_path / "nearly", p=0.03))
    assert "not clearly different (difference 8.0 points, p\u00a0=\u00a00.030; adjusted p\u00a0=\u00a00.12)" in nearly
    assert "higher by" not in nearly.split("## Warnings")[0].split("### N1")[0]


def test_few_shot_below_zero_shot_is_not_expected(tmp_path):
    warning = "**Llama-3.2-1B, few-shot** was expected to score no lower than **Llama-3.2-1B, zero-shot**"
    lower = write_report(make_run(tmp_path / "lower", points=POINTS | {"llama_few_shot": 15}))
    assert warning in lower["en", "md"] and "پایین‌تر نباشد، اما این اجرا" in lower["fa", "md"]
    assert warning not in in_english(make_run(tmp_path / "unclear", points=POINTS | {"llama_few_shot": 15}, p=0.62))


def test_what_one_title_stands_for_twice_is_shown_once(tmp_path):
    def same(config):
        config["models"]["llama"]["title"] = config["models"]["smollm2"]["title"]

    text = section(write_report(make_run(tmp_path, change=same), languages=("en",)), "S3")
    rows = [line for line in text.splitlines() if "tokens of" in line]
    assert rows and len(rows) == len(set(rows))


def test_the_prompt_stands_where_it_is_used(texts):
    template = (ROOT / "prompts" / "plain.yaml").read_text("utf-8").strip()
    for language in LANGUAGES:
        assert f"```yaml\n{template}\n```" in section(texts, "S6", language)


def test_whether_memory_ran_out_is_said_either_way(texts, tmp_path):
    assert "In this run memory ran out: the batch became 12 sentences" in section(texts, "N9")
    assert "with the effective batch kept: **SmolLM2-360M, tuned** (8)" in section(texts, "S14")
    assert "Memory did not run out in generating" in section(texts, "S11")


def test_data_has_a_persian_title_where_the_configuration_gives_one(tmp_path):
    def name(config):
        config["datasets"]["cnn_dailymail"]["title_fa"] = "خبرهای سی‌ان‌ان"

    texts = write_report(make_run(tmp_path / "run", overrides={"seeds": [42]}, change=name))
    assert "| خبرهای سی‌ان‌ان | hub |" in section(texts, "S1", "fa") and "خبرهای سی‌ان‌ان" not in section(texts, "S1")


def test_what_the_run_is_stands_first(texts):
    for language, sentence in (("en", "A made-up run for tests."), ("fa", "اجرایی ساختگی برای آزمون‌ها.")):
        first, _, _rest = texts[language, "md"].partition("##")
        assert sentence in first
        for part, row in (("ner", "| `ner.max_length` | `512` | `64` |"), ("summarization", "| `summarization.samples` |")):
            assert row in first.split(f"<summary>{part} (")[1].split("</details>")[0]
    assert "| every model | nothing |" in texts["en", "md"]


def test_warnings_come_from_the_runs_files(texts):
    warnings = texts["en", "md"].split('<a id="warnings">')[1].split("\n## ")[1]
    assert "- Test articles were shortened to fit the prompt: **Lead-3** (1 of 5), **Llama-3.2-1B, zero-shot** (1 of 5), " in warnings
    assert "reached the limit of new tokens, and may end in the middle: **Llama-3.2-1B, zero-shot** (1 of 5)" in warnings
    assert "the batch was reduced to 12 sentences" in warnings
    assert warnings.count("came out as `bf16`") == 1
    assert "fewer than 50 entities in the test set, whose scores say little: `DAT`" in warnings
    assert "(no summary was): **SmolLM2-360M, tuned** (4 of 200), " in warnings
    assert "<bdi>versions: torch 2.12.0 for 2.13.0</bdi>" in warnings and "memory: enough" not in warnings
    assert "stay in the data" in warnings and "sentences of one word (Conll2003, train, 5)" in warnings
    assert "switched off: `repair_bio`" in warnings
    assert "fewer usable pairs than were asked for: train 5 of 5,000" in warnings
    assert "during fine-tuning, and the batch was reduced to 8" in warnings
    assert "while the variant “Only shared types” was trained" in warnings
    assert "(`shot_article_tokens`), and were shortened there: **Llama-3.2-1B, few-shot** (1 of 3)\n" in warnings


# ------------------------------------------------------------------ variants, seeds, languages


def test_the_leak_stands_beside_the_clean_score(texts):
    text = texts["en", "md"].split('<a id="N11">')[1].split('<a id="N12">')[0]
    assert "Of the 600 sentences of its test set, 350 stand in its train as copies, and 70 more have a near-duplicate there." in text
    assert "| Trained as downloaded | as downloaded | all | 600 | 400 | 0.900 [0.870, 0.930] |" in text
    assert "| Trained as downloaded | of it, what its train lacks | all | 180 | 400 | 0.600 [0.570, 0.630] |" in text
    assert "| the tagger | cleaned | all | 600 | 400 | 0.680 [0.650, 0.710] |" in text
    assert "- Persian: from 300 sentences to the 90 that its train lacks, F1 goes from 0.840 [0.810, 0.870] to 0.540 [0.510, 0.570]" in text
    assert "The intervals do not overlap: much of the higher score is paid for" in text
    assert "| `my_own` |" in text and "without one Persian sentence in train" in text


def test_a_leak_within_the_noise_is_not_claimed(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    path = copy / "ner" / "variants" / "as_downloaded" / "metrics.json"
    metrics = json.loads(path.read_text("utf-8"))
    for language, block in metrics["test_unseen"]["by_language"].items():
        block["f1"] = metrics["test"]["by_language"][language]["f1"]
    path.write_text(json.dumps(metrics), encoding="utf-8")
    text = in_english(copy)
    assert "this run does not settle how much the copies are worth" in text and "much of the higher score" not in text
    metrics["test_unseen"] = {"seen": metrics["test_unseen"]["seen"], "overall": None}
    path.write_text(json.dumps(metrics), encoding="utf-8")
    assert "all that it shows is memory" in in_english(copy)


def test_the_spread_between_seeds_stands_beside_the_interval(texts):
    text = texts["en", "md"]
    assert "| the tagger | all | 0.680 | 0.690 | 0.685 | 0.007 | 0.680 [0.650, 0.710] |" in text
    assert "| `my_own` | Persian | 0.440 | 0.450 | 0.445 | 0.007 |" in text
    assert "| SmolLM2-360M, tuned | ROUGE-1 | 28.0 | 28.5 | 28.2 | 0.35 | 28.0 [25.0, 31.0] |" in text
    assert "| Lead-3 | ROUGE-1 |" not in text


def test_without_variants_and_seeds_the_report_says_how_to_get_them(tmp_path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    texts = write_report(make_run(tmp_path / "run", overrides={"seeds": [42], "ner": config["ner"] | {"variants": {}}}))
    assert "no variant was trained with copies of test sentences left in train" in texts["en", "md"]
    assert texts["en", "md"].count("More seeds under `seeds` of the configuration") == 2
    assert texts["fa", "md"].count("بذرهای بیشتر در کلید `seeds` پیکربندی") == 2


def test_a_third_language_has_its_name_and_direction(tmp_path):
    texts = write_report(make_run(tmp_path / "run", languages=("de", "ar")))
    assert "| German |" in texts["en", "md"] and "| Arabic |" in texts["en", "md"]
    assert "| آلمانی |" in texts["fa", "md"] and "| عربی |" in texts["fa", "md"]
    assert [direction(code) for code in ("de", "fa", "ar", "he", "xx-nobody")] == ["ltr", "rtl", "rtl", "rtl", "ltr"]


def test_sources_and_near_duplicates_are_shown(texts):
    text = texts["en", "md"]
    assert "| `arman` | holds an entity of type `FAC`, `PRO`, `EVE`, or stands in the dataset more than once | 400 | 500 | 500 |" in text
    assert "stays undecided (400 sentences) and counts as annotating only `PER`, `ORG`, `LOC`" in text
    assert "near-duplicate: <bdi>Ajax 2 Feyenoord 0</bdi>; similarity: 0.857" in text


# ------------------------------------------------------------------ studies, pictures, summaries side by side


def section(texts, id, language="en"):
    return re.split(r'<a id="\w+"></a>', texts[language, "md"].split(f'<a id="{id}"></a>')[1])[0]


def test_a_chat_prompt_of_any_wording_counts_as_one(tmp_path):
    def chatting(config):
        for name in ("llama", "smollm2"):
            config["models"][name]["prompt"] = "chat_highlights"

    texts = write_report(make_run(tmp_path, change=chatting), languages=("en",))
    assert "with a chat template, the way of Instruct models" in section(texts, "S21")
    assert "This run prompts no base model" in section(texts, "S13")


def test_studies_stand_under_their_questions(study):
    _, texts = study
    for id, name in (("S11", "precision"), ("S12", "shots"), ("S13", "templates"), ("P5", "pruning")):
        assert f"**Study `{name}`.**" in section(texts, id) and f"study_{name}.en.svg" in section(texts, id)
        assert f"study_{name}.fa.svg" in section(texts, id, "fa")
    assert "Lower: `tuned_int8` (27.9), `tuned_nf4` (25.0)." in section(texts, "S11") and "[S11](#S11)" in section(texts, "S18")
    assert "`nf4` (bf16, double quantization)" in section(texts, "S11")
    assert "the same weights, SmolLM2-360M, are prompted in two ways" in section(texts, "S13")
    assert "at 50\u00a0%, magnitude (L1), tuned again 2.300, Wanda 3.400, magnitude (L1) 5.100." in section(texts, "P8")
    assert "the intervals do not overlap, and Wanda raises the loss less" in section(texts, "P5")
    assert "| SmolLM2-360M, pruned | 30\u00a0% | 18.0 [15.0, 21.0] | 2.500 [2.300, 2.700] |" in section(
        texts, "P5"
    )  # of no study, in the curve
    assert "| `a0` | `t2`, `t1` |" in section(texts, "S12")
    assert not any("presets/study.yaml" in section(texts, id) for id in ("S11", "S12", "S13", "S18", "P5", "P8"))


def test_studies_leave_the_assignments_own_findings_alone(study, texts):
    _, with_study = study
    for id in ("findings", "S15"):
        assert not re.search("tuned_int8|pruned_50|shots_1", section(with_study, id))
    assert section(with_study, "S8") == section(texts, "S8")


def test_without_a_study_the_report_says_what_would_measure_it(texts):
    for id in ("S11", "S12", "S13", "S18", "S21", "P5", "P8"):
        for language in LANGUAGES:
            assert "`presets/study.yaml`" in section(texts, id, language)


def test_wanda_is_judged_by_the_intervals(study, tmp_path):
    copy = shutil.copytree(study[0], tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    for value, words in ((5.0, "so they do not separate the two"), (9.0, "Wanda raises the loss more")):
        loss = {"value": value, "low": value - 0.2, "high": value + 0.2, "tokens": 700, "pairs": 24}
        (copy / "summarization" / "systems" / "wanda_50" / "validation_loss.json").write_text(json.dumps(loss), encoding="utf-8")
        assert words in section({("en", "md"): in_english(copy)}, "P5")


def test_pictures_are_drawn_into_the_page_and_beside_the_markdown(study):
    folder, texts = study
    names = [*STANDING, *(f"study_{name}" for name in STUDIES)]
    for language in LANGUAGES:
        page = Page(texts[language, "html"])
        pictures = [attributes for tag, attributes in page.elements if tag == "svg"]
        assert [picture["role"] for picture in pictures] == ["img"] * (len(names) + 1)  # the last is the graph of the rules
        ids = {attributes.get("id") for _, attributes in page.elements}
        assert all(set(picture["aria-labelledby"].split()) <= ids for picture in pictures)
        shown = re.findall(ALT, texts[language, "md"])
        assert sorted(path for _, path in shown) == sorted(f"figures/{name}.{language}.svg" for name in names)
        assert all(title and (folder / "report" / path).is_file() for title, path in shown)
    assert sorted(path.name for path in (folder / "report" / "figures").iterdir()) == sorted(
        f"{n}.{c}.svg" for n in names for c in LANGUAGES
    )


def test_pictures_say_what_is_to_be_seen(study):
    _, texts = study
    alt = {path: MARKS.sub("", text) for language in LANGUAGES for text, path in re.findall(ALT, texts[language, "md"])}
    for name, seen in {
        "scores.en": "ROUGE-1: highest Lead-3 (30.0), lowest SmolLM2-360M, pruned (18.0).",
        "scores.fa": "ROUGE-1: بیشترین Lead-3 (۳۰٫۰)، کمترین SmolLM2-360M، هرس‌شده (۱۸٫۰).",
        "ner_labels.en": "Conll2003: highest PER (750), lowest LOC (600).",
        "ner_lengths.en": "Peyma_Arman, train: most often 5–9 words (50 % of the texts).",
        "ner_training.en": "training loss: 1.900 (step: 20). validation loss (lower is better): 0.210 (step: 42).",
        "ner_types.en": "F1, English: highest LOC (0.770), lowest PER (0.730). F1, Persian: highest DAT (0.680), lowest PER (0.620).",
        "confusion.en": "highest LOC (88 %), lowest ORG (70 %). Most often taken for another type: LOC for ORG, 7 times.",
        "lengths.en": "articles, train: most often 10–19 words (60 % of the texts).",
        "own_costs.en": "weights in memory, MB: highest SmolLM2-360M, untuned (270.0), lowest Llama-3.2-1B, zero-shot (140.0).",
        "tuning.en": "SmolLM2-360M, tuned, validation loss (lower is better): 2.200 (step: 10).",
        "tuning_again.en": "SmolLM2-360M, pruned and tuned again, training loss: 2.500 (step: 5).",
        "sparsity.en": "SmolLM2-360M, pruned: 30.0 % of each layer's weights are zero, 25.0 % of the whole model.",
        "pruned_costs.en": "size without zeros, MB: highest SmolLM2-360M, tuned (270.0), lowest SmolLM2-360M, pruned (215.0).",
        "study_pruning.en": "magnitude (L1): from 18.0 to 9.0 (weights removed, %: 30 to 50).",
        "study_shots.en": "zero-shot has 22.0, the dashed line. random examples: from 24.0 to 26.0 (examples in the prompt: 1 to 3).",
    }.items():
        assert seen in alt[f"figures/{name}.svg"], name


def test_what_a_picture_shows_stands_in_the_table_behind_it(study):
    _, texts = study
    for id, row in (
        ("N4", "| Conll2003 | train | 250 | 200 |"),
        ("N4", "| Conll2003 | 15 and more | 50 | 50 | 50 |"),
        ("N11", "| `PER` | English | 50 | 0.730 [0.700, 0.760] |"),
        ("N11", "| no entity | 6 | 5 | 4 | 1 | – |"),
        ("S3", "| references | 2–3 | 3 | 3 | 3 |"),
        ("S11", "| Llama-3.2-1B, few-shot | 26.0 [23.0, 29.0] | 31.5 |"),
        ("S14", "| SmolLM2-360M, tuned | 5 | 2.5000 | – |"),
        ("P4", "| `pruned_50_retuned` | 10 | – | 2.2000 |"),
        ("P2", "| SmolLM2-360M, pruned | `model.layers.0.mlp` | 30 | 100 | 30.00\u00a0% |"),
        ("P7", "| `wanda_50` | 14.0 [11.0, 17.0] | 215.0\u00a0MB | 31.5 |"),
    ):
        assert row in section(texts, id), (id, row)
    assert "| `DAT` | Persian | 12 |" in section(texts, "N11") and "| `DAT` | English |" not in section(texts, "N11")


def test_splits_of_few_texts_are_left_to_the_table(tmp_path):
    folder = make_run(tmp_path, overrides={"seeds": [42]})
    path = folder / "summarization" / "stats.json"
    stats = json.loads(path.read_text("utf-8"))
    stats["histograms"]["article"]["counts"] = {"train": [0, 120], "validation": [60, 40], "test": [90, 9]}
    path.write_text(json.dumps(stats), encoding="utf-8")
    texts = write_report(folder)
    [seen] = [text for text, path in re.findall(ALT, texts["en", "md"]) if "/lengths" in path]
    assert "articles, validation:" in seen and "articles, test:" not in seen and "references, test:" in seen
    assert "| articles | 0–9 | 0 | 60 | 90 |" in section(texts, "S3")


def test_equal_runs_have_equal_pictures(study, tmp_path):
    folder = make_run(tmp_path, overrides={"seeds": [42]}, change=with_studies)
    write_report(folder)
    for path in (study[0] / "report" / "figures").iterdir():
        assert path.read_bytes() == (folder / "report" / "figures" / path.name).read_bytes()


def test_summaries_are_marked_where_the_reference_says_the_same(tmp_path):
    texts = write_report(make_run(tmp_path / "like", predictions="In Elmbridge OPENS its <old> library; a library again."))
    note = "Marked are runs of two and more words"
    assert all(note in section(texts, id) for id in ("S6", "S7", "S15"))
    assert "In <b>Elmbridge OPENS its &lt;old&gt; library</b>; a <b>library again</b>." in section(texts, "S15")
    assert note not in in_english(make_run(tmp_path / "unlike", predictions="Nothing of it."))
    assert '<mark class="shared">Elmbridge OPENS its &lt;old&gt; library</mark>' in texts["fa", "html"]


def test_the_shots_of_the_prompt_are_shown(texts):
    assert "<summary>Example 3 (t2)</summary>" in section(texts, "S7") and section(texts, "S7").count("old library again. Readers") == 3


@pytest.mark.parametrize(
    "gone",
    [
        ["llama_zero_shot", "llama_few_shot"],
        ["smollm2_base"],
        ["smollm2_pruned"],
        ["smollm2_tuned", "smollm2_base", "llama_few_shot"],
        ["smollm2_tuned", "smollm2_base", "llama_zero_shot", "llama_few_shot"],
        ["lead3"],
    ],
    ids=" ".join,
)
def test_a_run_without_some_systems_says_so(tmp_path, gone):
    texts = write_report(make_run(tmp_path, overrides={"seeds": [42]}, change=without(*gone)))
    for language, form in REPORTS:
        assert re.findall(r'<a id="([NSPDW]\d+)">', texts[language, form]) == IDS
        if form == "md":
            shown = {path for _, path in re.findall(ALT, texts[language, form])}
            assert shown == {f"figures/{path.name}" for path in (tmp_path / "report" / "figures").glob(f"*.{language}.svg")}
    if gone != ["lead3"]:
        assert f"This run has no `{gone[0]}`" in texts["en", "md"] and f"این اجرا `{gone[0]}`" in texts["fa", "md"]


# ------------------------------------------------------------------ answers and templates of the student's own


def test_own_answers_and_templates_replace_one_by_one(run, tmp_path):
    for language in LANGUAGES:
        (tmp_path / "answers" / language).mkdir(parents=True)
        (tmp_path / "answers" / language / "N7.md").write_text("My own words: {{ num(1.5) }}.", encoding="utf-8")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "cover.md.j2").write_text("# The course's own cover for {{ run.config.student_name }}\n", encoding="utf-8")
    shutil.copytree(run, tmp_path / "run")
    texts = write_report(tmp_path / "run", own_answers=str(tmp_path / "answers"), own_templates=str(tmp_path / "templates"))
    assert "My own words: 1.5." in texts["en", "md"] and "My own words: ۱٫۵." in MARKS.sub("", Page(texts["fa", "html"]).text)
    assert "<small>" not in section(texts, "N7").split("#### Answer")[1], "an answer without a figure of the run has no source there"
    assert "The student's own text: N7\n" in texts["en", "md"]
    assert re.search(r"Still the project's text: N2, N3, N8, .*P8$", texts["en", "md"], re.M)
    assert texts["en", "md"].startswith("# The course's own cover for Student Name")


# ------------------------------------------------------------------ hostile data

HOSTILE = """<script>alert("no")</script> & {{ 7 * 7 }} {% raise %} `code` **bold** _under_ [link](http://evil.example) ![i](x) | cell | $x$
# heading
- item
1. one
> quote
```
fence
    indented </details></div><img src=x onerror=alert(1)>
\u202ereversed\u202c \x07bell \x1b[31m \x00nul www.evil.example a@evil.example ~~gone~~ &lt;b&gt; --- <!-- <style>"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("hostile"), articles=[HOSTILE] * 5, predictions=HOSTILE, overrides={"seeds": [42, 43]})
    words = HOSTILE.split()
    tags = ["B-PER", *["O"] * (len(words) - 1)]
    sentence = {"text": HOSTILE, "tokens": words, "tags": tags, "scores": [0.5] * len(words)}
    sentences = [sentence | {"language": language} for language in LANGUAGES]
    (folder / "ner" / "sentences.json").write_text(json.dumps(sentences), encoding="utf-8")
    asset = json.loads((folder / "assets" / "conll2003.json").read_text("utf-8"))
    (folder / "assets" / "conll2003.json").write_text(json.dumps(asset | {"title": HOSTILE}), encoding="utf-8")
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    config["student_name"] = "<b>Bobby</b> {{ config }} ``` \n# x"
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return write_report(folder)


def test_hostile_text_appears_as_text_in_html(hostile, texts):
    for language in LANGUAGES:
        page, plain = Page(hostile[language, "html"]), Page(texts[language, "html"])
        assert {tag for tag, _ in page.elements} <= {tag for tag, _ in plain.elements}
        assert not [attributes for _, attributes in page.elements if any(name.startswith("on") for name in attributes)]
        assert "evil" not in "".join(attributes.get("href") or "" for _, attributes in page.elements)
        for line in HOSTILE.splitlines()[:5]:
            assert line in page.text
        assert "⟨U+202E⟩reversed" in page.text and "⟨U+0007⟩bell" in page.text and "⟨U+0000⟩" in page.text
        assert not set("\u202e\x07\x1b\x00") & set(hostile[language, "html"] + hostile[language, "md"])


def test_hostile_text_leaves_markdown_as_it_was(hostile, texts):
    """Rendered by an independent reader, the hostile Markdown has the same blocks as the harmless one."""
    from markdown_it import MarkdownIt

    def blocks(markdown):
        tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(markdown)
        inline = [child.type for token in tokens for child in token.children or []]
        kinds = [token.type for token in tokens if token.type not in ("paragraph_open", "paragraph_close", "inline")]
        return {kind: kinds.count(kind) for kind in set(kinds)}, inline.count("link_open"), inline.count("image"), inline.count("s_open")

    for language in LANGUAGES:
        assert blocks(hostile[language, "md"])[1:] == blocks(texts[language, "md"])[1:]
        ours, theirs = blocks(hostile[language, "md"])[0], blocks(texts[language, "md"])[0]
        changed = {kind: (ours.get(kind, 0), theirs.get(kind, 0)) for kind in ours | theirs if ours.get(kind, 0) != theirs.get(kind, 0)}
        assert set(changed) <= {"tr_open", "tr_close", "td_open", "td_close", "tbody_open", "tbody_close", "html_block"}, changed


@given(st.text() | st.text(alphabet="*_`[]()!<>&#|~$+-=.:;\\/ \n\t1aع@"))
def test_any_text_survives_markdown(text):
    """Escaped, alone or in a table, it comes out of Markdown and HTML as it went in, on one line."""
    shown = re.sub(r"\s+", " ", visible(re.sub(r"\s+", " ", text)))
    forms = (escape(text), f"a {escape(text)} b", f"| a | b |\n|---|---|\n| {escape(text)} | c |")
    for markdown, way in product(forms, ("ltr", "rtl")):
        page = Page(markdown_html.html(str(markdown), way))
        assert {tag for tag, _ in page.elements} <= {"p", "div", "table", "thead", "tbody", "tr", "th", "td", "bdi"}
        assert shown.strip() in re.sub(r"\s+", " ", page.text)


PERSIAN = "آ-غف-يپ-ۓ"
SLIPS = {
    "an Arabic letter or digit": "[يكىۀة٠-٩]",
    "a Latin mark": f"[{PERSIAN}][,;?]",
    "a mark without its space": f" [،؛؟]|[،؛؟][{PERSIAN}]",
    "a non-joiner at a word's edge": f"\u200c(?![{PERSIAN}\u0654])|(?<![{PERSIAN}\u0654])\u200c",
    "a space instead of a non-joiner": f"(?<![{PERSIAN}\u200c])ن?می [{PERSIAN}]|[{PERSIAN}] (?:ها|های|هایی|تر|ترین)(?![{PERSIAN}\u200c])",
}


@pytest.mark.parametrize("slip", SLIPS)
@pytest.mark.parametrize("file", ["texts.fa.yaml", *(f"answers/fa/{question}.md" for question in QUESTIONS)])
def test_persian_is_typed_as_persian(file, slip):
    assert re.findall(f".*(?:{SLIPS[slip]}).*", (ROOT / "report" / file).read_text("utf-8")) == []


@pytest.mark.parametrize("name", ["AMD EPYC, 2 threads", "Llama 3.1 8B", "PEYMA + ARMAN", "TLDR9+", "N:M", "a_b 1996-08-22"])
def test_a_latin_name_reads_from_left_to_right_in_persian(name):
    assert markdown_html.html(f"نام {name}، و {name}: آن", "rtl").count(f'<bdi lang="en">{name}</bdi>') == 2


def test_figures_in_both_languages():
    english, persian = (
        Language(code, yaml.safe_load((ROOT / "report" / f"texts.{code}.yaml").read_text("utf-8")), "") for code in LANGUAGES
    )
    assert [english.num(-1234.56), english.num(-0.01), english.integer(0), english.num(None)] == ["−1,234.6", "0.0", "0", "–"]
    assert [MARKS.sub("", text) for text in (persian.num(-1234.56), persian.percent(0.5), persian.seconds(150))] == [
        "−۱٬۲۳۴٫۶",
        "۵۰٫۰٪",
        "۲٫۵\u00a0دقیقه",
    ]
    assert [english.p_value(0.0001), english.p_value(0.0123)] == ["p\u00a0&lt;\u00a00.001", "p\u00a0=\u00a00.012"]
    assert english.difference(-2.0, 0.04) == "lower by 2.0 points (adjusted p\u00a0=\u00a00.040)"
    assert english.difference(-2.0, 0.01, 0.06).startswith("not clearly different (difference −2.0 points, p\u00a0=\u00a00.010; adjusted")


def test_types_of_the_fixture_are_used(texts):
    assert all(f"`{kind}`" in texts["en", "md"] for kind in TYPES)


def test_the_report_loads_no_model_library():
    code = "import sys; sys.path.insert(0, 'scripts'); import report; print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_citation_or_a_fact_that_nobody_lists_is_refused(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("report"))
    calls = {'cite("nobody2020")': "references.bib", 'fact("nothing")': "facts.yaml", 'versus("lead3", "nobody", "rouge1")': "nobody"}
    calls['versus("llama_few_shot", "smollm2_pruned", "rouge1")'] = "compare_to"
    for call, file in calls.items():
        (tmp_path / "answers" / "en").mkdir(parents=True, exist_ok=True)
        (tmp_path / "answers" / "en" / "N7.md").write_text(f"{{{{ {call} }}}}", encoding="utf-8")
        with pytest.raises(SystemExit) as end:
            write_report(copy, own_answers=str(tmp_path / "answers"))
        assert file in str(end.value)
    assert not (Path(copy) / "report").exists()
