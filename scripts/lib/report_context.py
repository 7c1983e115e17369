"""What the templates and the answers of a report may use: the run, figures in the report's language, judgements, citations, facts."""

import json
import random
import re
import statistics
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, pass_context
from markupsafe import Markup

from lib.bibliography import Bibliography
from lib.markdown_text import code, escape, literal_code_spans, paragraphs
from lib.program import InputError
from lib.report_data import SCORES, Record, record, system_files
from lib.report_language import apart, direction, judged
from lib.report_warnings import run_warnings
from lib.systems import is_sparse, lineage, ner_settings

DECIDING = ("rouge1", "bertscore_f1")  # the scores by which findings and warnings judge
MANY = 4  # files of systems; more are named by a pattern
MAIN = ("rouge1", "rouge2", "rougeLsum", "bertscore_f1")  # the scores of a short table


class Missing(StrictUndefined):
    """A name or key that is not there: the error says in which file it was looked for."""

    __format__ = StrictUndefined._fail_with_undefined_error

    @property
    def _undefined_message(self):
        if isinstance(self._undefined_obj, Record):
            return self._undefined_obj.lack(self._undefined_name)
        return super()._undefined_message


class Report:
    """One report: a language, a form (`md` or `html`), and the order in which it cites.

    `sources` holds the paths of templates, answers (folders, the first that has a file wins), facts and bibliography, and the
    requirements (sections with their ids, questions, expectations).
    """

    def __init__(self, run, language, form, sources):
        self.run, self.language, self.form, self.sources, self.deciding = run, language, form, sources, DECIDING
        self.bibliography = Bibliography(sources.bibliography, language.figure)
        self.own = {}  # question id -> whether the answer is the student's own
        self.environment = Environment(
            loader=FileSystemLoader([str(folder) for folder in sources.templates]),
            undefined=Missing,
            autoescape=True,
            finalize=escape,
            keep_trailing_newline=True,
        )
        self.environment.filters["escape"] = self.environment.filters["e"] = escape
        self.environment.globals.update(self.names())

    def names(self):
        """Everything that a template can name, beside what the text of an answer is promised."""
        language = self.language
        of_language = ("num", "scientific", "percent", "integer", "interval", "fraction", "seconds", "gigabytes", "megabytes", "p_value")
        of_report = [
            *("score", "versus", "better", "cite", "fact", "prose", "answer", "known", "title", "prediction", "best"),
            *("requirement", "quoted", "tagged", "marked", "details", "fenced", "columns", "source", "files", "asset_files"),
            *("sample_articles", "measured_systems", "sparse_systems", "compared_pairs", "findings_pairs"),
            *("argument", "setting", "warnings"),
            *("variant", "variants_trained_on_some", "untrained_languages", "tagger_files", "tagger_spread", "system_spread"),
        ]
        return {
            **{name: getattr(language, name) for name in of_language},
            **{name: getattr(self, name) for name in of_report},
            "t": language.phrase,
            "ordered": language.ordered,
            "code": code,
            "language_name": language.name,
            "apart": apart,
            "html": self.form == "html",
            "language": language.code,
            "run": self.run,
            "requirements": self.sources.requirements,
            "suggested_arguments": self.sources.suggested_arguments,
            "own_answers": self.own,
            "references": self.bibliography.references,
            "all_metrics": SCORES,
            "main_metrics": MAIN,
            "deciding": DECIDING,
        }

    def markdown(self):
        """The whole report as Markdown."""
        text = self.rendered(self.environment.get_template("report.md.j2"), "report.md.j2")
        return literal_code_spans(re.sub(r"\n\s*\n(\s*\n)+", "\n\n", text)).strip() + "\n"

    def page(self, body, font):
        """The HTML page around the body; `font` is the Persian font as base64."""
        context = {"body": Markup(body), "font": Markup(font), "direction": direction(self.language.code)}
        return self.rendered(self.environment.get_template("page.html.j2"), "page.html.j2", context)

    def rendered(self, template, where, context=None):
        try:
            return template.render(context or {})
        except TemplateError as error:
            raise InputError(f"{where}: {error}") from None

    # ------------------------------------------------------------------ texts

    @pass_context
    def prose(self, context, key, **values):
        """A text of the language's file, itself a template, with more values to name."""
        return self.text(self.language.entry(key), f"{self.language.source}: {key}", context.get_all() | values)

    def text(self, source, where, context):
        try:
            template = self.environment.from_string(source)
        except TemplateError as error:
            raise InputError(f"{where}: {error}; correct the text") from None
        return Markup(self.rendered(template, where, context).strip())

    @pass_context
    def answer(self, context, question):
        """The answer to a question: the student's own if there is one, else the project's."""
        folders = [Path(folder) / self.language.code / f"{question}.md" for folder in self.sources.answers]
        path = next((path for path in folders if path.is_file()), None)
        if path is None:
            raise InputError(f"{folders[-1]}: there is no such file; expected the answer to {question}; write it")
        self.own[question] = path != folders[-1]
        return self.text(path.read_text(encoding="utf-8"), path, context.get_all())

    # ------------------------------------------------------------------ judgements

    def system(self, name):
        return self.run["summ"]["systems"][name]

    def title(self, name):
        """A system in words: the texts' title for the assignment's own systems, the name itself for any other."""
        titles = self.language.entry("systems")
        if name not in titles:
            return code(name)
        models = [self.run["models"][config["model"]]["title"] for config in self.lineage(name) if "model" in config]
        return Markup(titles[name].format(model=escape("".join(models))))

    def lineage(self, name):
        """The configurations of a system and its ancestors, itself first."""
        systems = self.run["config"]["summarization"]["systems"]
        return [systems[ancestor] for ancestor in lineage(systems, name)]

    def known(self, *names):
        """Whether the run has all these systems."""
        return all(name in self.run["summ"]["systems"] for name in names)

    def measured_systems(self):
        """Systems that run a model."""
        return [name for name, system in self.run["summ"]["systems"].items() if system["config"]["kind"] != "lead"]

    def sparse_systems(self):
        systems = self.run["config"]["summarization"]["systems"]
        return [name for name in systems if is_sparse(systems, name)]

    def prediction(self, name, article):
        """A system's summary of the test article with this id."""
        for row in self.system(name)["predictions"]:
            if row["id"] == article:
                return row["prediction"]
        raise InputError(
            f"{self.system(name)._source}/predictions.jsonl: no prediction for the article {article}; "
            "expected one for every article of the test set; run the rule that writes the file again"
        )

    def score(self, system, metric):
        return self.language.interval(self.system(system)["scores"][metric])

    def comparison(self, system, other, metric):
        """(difference, p) of the paired test, whichever of the two systems the comparison names first."""
        rows = self.run["summ"]["comparison"]
        for one, two, sign in ((system, other, 1), (other, system, -1)):
            difference = rows[one].get(f"{metric}_minus_{two}")
            if difference is not None:
                return sign * difference, rows[one][f"{metric}_p_{two}"]
        raise InputError(
            f"{rows._source}: {system} was not compared with {other} in {metric}; "
            f"expected {other} to be its parent or under summarization.compare_to; add it there"
        )

    def versus(self, system, other, metric):
        return self.language.difference(*self.comparison(system, other, metric))

    def better(self, system, other, metric):
        return judged(*self.comparison(system, other, metric))

    def compared(self, system, other):
        """Whether the run tested these two against each other."""
        row = self.run["summ"]["comparison"].get(system, {})
        return row.get(f"{DECIDING[0]}_minus_{other}") is not None

    def compared_pairs(self):
        """Every pair of systems that the run tested against each other, in the order of the configuration."""
        names = list(self.run["summ"]["systems"])
        return [(one, other) for one in names for other in names if one != other and self.compared(one, other)]

    def best(self, metric):
        """The system with the highest score."""
        systems = self.run["summ"]["systems"]
        return max(systems, key=lambda name: systems[name]["scores"][metric]["value"])

    def findings_pairs(self):
        """The comparisons of the requirements whose systems this run has."""
        return [pair for pair in self.sources.requirements["comparisons"] if self.known(pair["system"], pair["other"])]

    def warnings(self):
        """What a reader should know about this run: dicts of kind and values, for the texts under `warnings`."""
        return list(run_warnings(self))

    # ------------------------------------------------------------------ taggers and seeds

    def variant(self, name):
        """A variant of the tagger in words: the texts' title for those that they know, the name itself for any other."""
        titles = self.language.entry("variants")
        return Markup(titles[name]) if name in titles else code(name)

    def variants_trained_on_some(self):
        """Variants whose train leaves out a language of the test set, for transfer from one language to another."""
        return [name for name in self.run["ner"]["variants"] if self.untrained_languages(name)]

    def untrained_languages(self, name):
        """The languages of the test set that a variant was not trained on."""
        trained = ner_settings(self.run["config"], name)["train_languages"]
        tested = self.run["ner"]["variants"][name]["metrics"]["test"]["by_language"]
        return [language for language in tested if trained and language not in trained]

    def tagger_files(self, file):
        """Where the run keeps a file of the tagger and of its variants."""
        return [f"ner/{file}", *(["ner/variants/*/" + file] if self.run["ner"]["variants"] else [])]

    def tagger_spread(self):
        """The F1 of each tagger over the seeds, over all sentences and by language, as `spread` gives it, with `variant` and `language`."""
        taggers = {None: self.run["ner"], **self.run["ner"]["variants"]}
        for name, tagger in taggers.items():
            files = [tagger["metrics"], *tagger["seeds"].values()]
            for language in (None, *files[0]["test"]["by_language"]):
                blocks = [file["test"]["by_language"][language] if language else file["test"]["overall"] for file in files]
                yield {"variant": name, "language": language, **spread([block["f1"] for block in blocks])}

    def system_spread(self, metric):
        """A score of each system that is trained, over the seeds, as `spread` gives it, with `system`."""
        for name, system in self.run["summ"]["systems"].items():
            if system["seeds"]:
                yield {"system": name, **spread([scores[metric] for scores in (system["scores"], *system["seeds"].values())])}

    # ------------------------------------------------------------------ settings

    def argument(self, line):
        """What stands in this run for an argument that the assignment suggests."""
        if "key" not in line:
            return line["here"]
        config = self.run["config"]
        return config["seeds"][0] if line["key"] == "seed" else config["ner"]["training"][line["key"]]

    def setting(self, value):
        """A value of the configuration as YAML writes it, on one line."""
        return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value

    # ------------------------------------------------------------------ sources

    def source(self, *paths):
        """The files of the run from which a table was read."""
        shown = self.language.phrase("words.comma").join(code(path) for path in dict.fromkeys(paths))
        return Markup(f"<small>{self.language.phrase('words.caption_source', files=shown)}</small>")

    def files(self, part, names):
        """Where the run keeps a part (`scores`, `speed`, …) of these systems."""
        systems = self.run["config"]["summarization"]["systems"]
        paths = [f"summarization/systems/{name}/{system_files(systems, name)[part]}" for name in names]
        return paths if len(paths) <= MANY else [f"summarization/systems/*/{Path(paths[0]).name}"]

    def asset_files(self, names):
        return [f"assets/{name}.json" for name in names]

    def cite(self, *keys):
        return self.bibliography.cite(*keys)

    def fact(self, name):
        """An entry of the file of facts: its value, then its source."""
        facts, where = self.sources.facts, self.sources.facts_path
        if name not in facts:
            raise InputError(f"{where}: there is no fact {name!r}; expected every one that a text names; add it with its source")
        fact = record(facts[name], where, name)
        source = fact["source"]
        cited = self.bibliography.cite_other(source["name"], source["where"]) if isinstance(source, dict) else self.cite(source)
        return Markup(f"{self.value(fact)}\u00a0{cited}")

    def value(self, fact):
        if isinstance(fact["value"], dict):
            return escape(fact["value"][self.language.code])
        number = self.language.num(fact["value"], fact.get("digits", 0))
        return self.language.phrase("units.percent", value=number) if fact.get("unit") == "percent" else number

    # ------------------------------------------------------------------ pieces of the page

    def columns(self, *names):
        """The head of a table: names under `tables` or `metrics` in the texts. `#` marks a column of figures, a list several."""
        groups = ([group] if isinstance(group, str) else [f"#{name}" for name in group] for group in names)
        names = [name for group in groups for name in group]
        cells = [self.column(name.lstrip("#")) for name in names]
        rules = ["--:" if name.startswith("#") else "---" for name in names]
        return Markup(f"| {' | '.join(cells)} |\n| {' | '.join(rules)} |")

    def column(self, name):
        return self.language.phrase(f"metrics.{name}" if name in self.language.entry("metrics") else f"tables.{name}")

    def fenced(self, text, kind):
        """A code block with a fence that nothing in the text can end."""
        ticks = max([2, *(len(run) for run in re.findall("`+", text))]) + 1
        return Markup(f"{'`' * ticks}{kind}\n{text.strip()}\n{'`' * ticks}")

    def details(self, title, caller):
        """What opens on a click; the block between `call` and `endcall` is its content."""
        return Markup(f"<details>\n<summary>{title}</summary>\n\n{caller().strip()}\n\n</details>")

    def requirement(self, text):
        if self.form == "html":
            return Markup(f'<div class="requirement">\n\n{text}\n\n</div>')
        return Markup("\n".join(f"> {line}".rstrip() for line in text.splitlines()))

    def quoted(self, text, title="", language="en"):
        """A longer text of the run (an article, a summary), as it is."""
        parts = paragraphs(text) or [self.language.phrase("words.empty")]
        if self.form == "html":
            caption = f'<p class="caption">{title}</p>\n' if title else ""
            body = "\n".join(f"<p>{part}</p>" for part in parts)
            return Markup(f'<div class="quoted">\n{caption}<div lang="{language}" dir="{direction(language)}">\n{body}\n</div>\n</div>')
        head = [f"> **{title}**"] if title else []
        return Markup("\n>\n".join([*head, *(f"> {part}" for part in parts)]))

    def tagged(self, tokens, tags, language):
        """A tagged sentence with its entities marked."""
        pieces = []
        for words, kind in entities(tokens, tags):
            text = escape(" ".join(words))
            if kind is None:
                pieces.append(str(text))
            elif self.form == "html":
                pieces.append(f'<mark class="{escape(kind)}">{text} <span class="tag" dir="ltr">{escape(kind)}</span></mark>')
            else:
                pieces.append(f"**{text}** ({escape(kind)})")
        line = " ".join(pieces)
        return Markup(f'<p class="tagged" lang="{language}" dir="{direction(language)}">{line}</p>' if self.form == "html" else line)

    def marked(self, tokens, span, around=6):
        """A few words of a sentence with one entity (type, start, end) in bold."""
        _, start, end = span
        before, after = tokens[max(0, start - around) : start], tokens[end : end + around]
        return Markup(f"{escape(' '.join(before))} **{escape(' '.join(tokens[start:end]))}** {escape(' '.join(after))}".strip())

    def sample_articles(self):
        """Ids of the test articles that the report shows: a seeded random sample."""
        ids = list(self.run["summ"]["test"])
        count = min(self.run["config"]["summarization"]["samples"], len(ids))
        return random.Random(self.run["config"]["seed"]).sample(ids, count)


def entities(tokens, tags):
    """Runs of tokens: (words, entity type), or (words, None) outside of entities; by strict IOB2, only B- begins one."""
    runs = []
    for token, tag in zip(tokens, tags, strict=True):
        kind = None if tag == "O" else tag[2:]
        if kind and not tag.startswith("B-") and (not runs or runs[-1][1] != kind):
            kind = None
        if runs and runs[-1][1] == kind and not tag.startswith("B-"):
            runs[-1][0].append(token)
        else:
            runs.append(([token], kind))
    return runs


def spread(scores):
    """`values` of the same score by seed, their mean and standard deviation, and the first seed's `interval`."""
    values = [score["value"] for score in scores]
    return {"values": values, "mean": statistics.mean(values), "deviation": statistics.stdev(values), "interval": scores[0]}
