"""What the templates and the answers of a report may use: the run, figures in the report's language, judgements, citations, facts."""

import base64
import hashlib
import json
import posixpath
import random
import re
import statistics
from itertools import combinations
from pathlib import Path

import markupsafe
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, pass_context
from markupsafe import Markup

from lib.answers import chosen_answer
from lib.bibliography import Bibliography
from lib.drawing import Column
from lib.figures import style
from lib.markdown_text import code, escape, literal_code_spans, paragraphs, visible
from lib.overlap import shared_runs
from lib.program import InputError
from lib.report_data import SCORES, Record, files_of_systems, in_language, reading, record, run_files
from lib.report_language import NOTHING, apart, direction, judged
from lib.report_studies import about, group, in_curve, members, position, studies
from lib.report_warnings import run_warnings
from lib.rule_drawing import mermaid
from lib.rule_drawing import svg as rule_drawing
from lib.rule_record import pattern, rules_of
from lib.systems import is_sparse, lineage, ner_settings, own_systems, studied

DECIDING = ("rouge1", "bertscore_f1")  # the scores by which findings and warnings judge
MANY = 4  # files of systems; more are named by a pattern
SHARED = {"md": ("<b>", "</b>"), "html": ('<mark class="shared">', "</mark>")}  # around what a summary shares with its reference
MAIN = ("rouge1", "rouge2", "rougeLsum", "bertscore_f1")  # the scores of a short table


class Missing(StrictUndefined):
    """A name or key that is not there: the error says in which file it was looked for."""

    __format__ = StrictUndefined._fail_with_undefined_error

    @property
    def _undefined_message(self):
        if isinstance(self._undefined_obj, Record):
            return self._undefined_obj.lack(self._undefined_name)
        return super()._undefined_message


class Templates(Environment):
    """Jinja, in which reports share what is compiled: the code of a template or a text hangs on nothing that a report knows."""

    code = {}  # (source, name, path of the file) → code

    def compile(self, source, name=None, filename=None):
        key = (source, name, filename)
        if key not in self.code:
            self.code[key] = super().compile(source, name, filename)
        return self.code[key]


class Report:
    """One report: a language, a form (`md` or `html`), and the order in which it cites.

    `sources` holds the paths of templates, answers (folders, the first that has a file wins), prompts, facts and bibliography, and the
    requirements (sections with their ids, questions, expectations).
    """

    def __init__(self, run, language, form, sources):
        self.run, self.language, self.form, self.sources, self.deciding = in_language(run, language.code), language, form, sources, DECIDING
        self.pictures = {}  # name → Picture; drawn once a language, whatever the form
        self.bibliography = Bibliography(sources.bibliography, language.figure)
        self.own = {}  # question id -> whether the answer is the student's own
        self.environment = Templates(
            loader=FileSystemLoader([str(folder) for folder in sources.templates]),
            undefined=Missing,
            autoescape=True,
            finalize=escape,
            keep_trailing_newline=True,
        )
        self.environment.filters["escape"] = self.environment.filters["e"] = escape
        self.environment.filters["digest"] = digest
        self.environment.globals.update(self.names())

    def names(self):
        """Everything that a template can name, beside what the text of an answer is promised."""
        language = self.language
        of_language = (
            "num",
            "scientific",
            "percent",
            "integer",
            "interval",
            "fraction",
            "seconds",
            "gigabytes",
            "megabytes",
            "memory",
            "p_value",
        )
        of_report = [
            *(
                "score",
                "versus",
                "tested",
                "better",
                "cite",
                "fact",
                "prose",
                "answer",
                "known",
                "comparable",
                "title",
                "label",
                "prediction",
                "best",
            ),
            *(
                "figure",
                "shared",
                "shows_shared",
                "passage",
                "line",
                "arithmetic",
                "changes",
                "of_subject",
                "study_members",
                "verdicts",
                "losses",
                "wanda",
                "one_model",
                "quality",
                "own_systems",
                "missing",
            ),
            *("requirement", "rule_graph", "quoted", "tagged", "marked", "details", "fenced", "columns", "source", "files", "asset_files"),
            *("sample_articles", "measured_systems", "sparse_systems", "compared_pairs", "findings_pairs"),
            *("argument", "reason", "setting", "differences", "prompt", "warnings"),
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
            "provenance": self.sources.provenance,
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
        context = {"body": Markup(body), "font": Markup(font), "direction": direction(self.language.code), "figure_colours": style()}
        context["units"] = self.language.unit_sizes()
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
        path, self.own[question] = chosen_answer(self.sources.answers, self.language.code, question)
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; expected the answer to {question}; write it")
        with reading() as files:
            text = self.text(path.read_text(encoding="utf-8"), path, context.get_all())
        measured = list(self.measured(files))
        return Markup(f"{text}\n\n{self.source(*measured)}") if measured else text

    # ------------------------------------------------------------------ judgements

    def system(self, name):
        return self.run["summ"]["systems"][name]

    def title(self, name):
        """A system in words: the texts' title for those that they know, the name itself for any other."""
        titles = self.language.entry("systems")
        if name not in titles:
            return code(name)
        return Markup(titles[name].format(**{key: escape(value) for key, value in self.named(name).items()}))

    def label(self, name):
        """The same as plain text, for a picture."""
        titles = self.language.entry("systems")
        return self.plain(titles[name].format(**self.named(name))) if name in titles else name

    def named(self, name):
        """What a system's title may name: the title of the model that it descends from, and the prompt that it went through."""
        models = [self.run["models"][config["model"]]["title"] for config in self.lineage(name) if "model" in config]
        return {"model": "".join(models), "prompt": self.system(name).get("generation", {}).get("template", "")}

    def code(self, text):
        return Markup(code(text))

    def asset_title(self, name):
        return escape(self.run["assets"][name]["title"])

    def label_of(self, section, key):
        return self.plain(self.language.entry(f"{section}.{key}"))

    def plain(self, text):
        """Text for a picture: on one line, with its own direction whatever stands around it."""
        return self.language.isolated(visible(re.sub(r"\s+", " ", text)))

    def line(self, group):
        """A line of a study's curve in words: (selection,), or (method, scope, kind) of the pruning that its systems rest on."""
        if len(group) == 1:
            return self.label_of("selections", group[0])
        method, scope, kind = group
        words = [self.language.entry(f"methods.{method or 'none'}")]
        words += [self.language.entry("words.scope_global")] if scope == "global" else []
        words += [self.language.entry("words.again")] if kind == "finetune" else []
        return self.plain(self.language.entry("words.comma").join(words))

    def lineage(self, name):
        """The configurations of a system and its ancestors, itself first."""
        systems = self.run["config"]["summarization"]["systems"]
        return [systems[ancestor] for ancestor in lineage(systems, name)]

    def known(self, *names):
        """Whether the run has all these systems."""
        return all(name in self.run["summ"]["systems"] for name in names)

    def missing(self, *names):
        """Those of these systems that the run does not have."""
        return [name for name in names if not self.known(name)]

    def measured_systems(self):
        """Systems that run a model."""
        return [name for name, system in self.run["summ"]["systems"].items() if system["config"]["kind"] != "lead"]

    def own_systems(self):
        """Systems that are there for no study's sake."""
        return own_systems(self.run["config"])

    def sparse_systems(self):
        """Pruned systems and what descends from them, those of studies last."""
        systems, of_study = self.run["config"]["summarization"]["systems"], studied(self.run["config"])
        return sorted((name for name in systems if is_sparse(systems, name)), key=lambda name: name in of_study)

    # ------------------------------------------------------------------ studies

    def of_subject(self, *subjects):
        """Names of the run's studies about one of these subjects."""
        return about(self.run["config"], *subjects)

    def study_members(self, name):
        """A study's baseline and its systems."""
        return members(self.run["config"], self.run["config"]["summarization"]["studies"][name])

    def one_model(self, name):
        """The title of the model whose weights all systems of a study start from, or None if they are several."""
        entries = [config for system in self.study_members(name) for config in self.lineage(system) if "model" in config]
        titles = {self.run["models"][config["model"]]["title"] for config in entries}
        return titles.pop() if len(titles) == 1 else None

    def quality(self, name, key):
        """What was counted in a system's summaries, or in the references for None."""
        found = self.run["summ"]["qualities"]
        block = found["systems"][name] if name else found["reference"]
        return self.language.interval(block[key]) if block[key] else Markup(NOTHING)

    def verdicts(self, name):
        """A study's systems by what the test of their ROUGE-1 against the baseline says: {higher, lower, unclear: names}."""
        baseline, *systems = self.study_members(name)
        return {
            judged: [system for system in systems if self.better(system, baseline, DECIDING[0]) == judged]
            for judged in ("higher", "lower", "unclear")
        }

    def losses(self, name):
        """Validation losses of a study's curve where several lines have a point: [{amount, rows: [{line, group, loss}]}], lowest first."""
        config, amounts = self.run["config"], {}
        if studies(config)[name].get("axis") != "amount":
            return []
        for system in in_curve(config, name):
            place = group(config, name, system)
            row = {"group": place, "line": escape(self.line(place)), "loss": self.system(system)["validation_loss"]}
            amounts.setdefault(position(config, name, system), []).append(row)
        return [
            {"amount": amount, "rows": sorted(rows, key=lambda row: row["loss"]["value"])}
            for amount, rows in sorted(amounts.items())
            if amount and len(rows) > 1
        ]

    def wanda(self, name):
        """Where a study has Wanda beside magnitude pruning, neither trained again: [{amount, wanda: loss, magnitude: loss}]."""
        for block in self.losses(name):
            found = {row["group"]: row["loss"] for row in block["rows"]}
            pair = [found.get((method, "layer", "prune")) for method in ("wanda", "l1_unstructured")]
            if all(pair):
                yield {"amount": block["amount"], "wanda": pair[0], "magnitude": pair[1]}

    def arithmetic(self, name):
        """The precision asked for, and in brackets what it came out as, or how its scales are kept."""
        speed, config = self.system(name)["speed"], self.system(name)["config"]
        double = config.get("double_quantization", self.run["config"]["summarization"]["generation"]["double_quantization"])
        notes = [speed["dtype"]] if speed["dtype"] != speed["precision"] else []
        notes += [self.language.phrase("words.double")] if speed["precision"] == "nf4" and double else []
        return Markup(code(speed["precision"]) + (f" ({self.language.phrase('words.comma').join(map(escape, notes))})" if notes else ""))

    def changes(self, name):
        """What the configuration says of a system, on one line: its own keys, its model by title, and the prompt that it went through."""
        system = self.system(name)
        entry = {key: value for key, value in system["config"].items() if key not in ("kind", "training")}
        if "model" in entry:
            entry["model"] = self.run["models"][entry["model"]]["title"]
        if "generation" in system:
            entry["prompt"] = system["generation"]["template"]
        return Markup(self.language.phrase("words.comma").join(code(f"{key}: {self.setting(value)}") for key, value in entry.items()))

    # ------------------------------------------------------------------ scores

    def prompt(self, name):
        """The template from which a system's prompts were written, as its file has it."""
        path = self.sources.prompts / f"{self.system(name)['generation']['template']}.yaml"
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; expected the prompt template of {name}; put it back")
        return path.read_text(encoding="utf-8")

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
        """(difference, p, p after Holm's correction) of the paired test, whichever of the two systems its table names first."""
        found = self.test(system, other, metric)
        if found is None:
            raise InputError(
                f"{self.run['summ']['comparison']._source}: {system} was not compared with {other} in {metric}; "
                f"expected {other} to be its parent, under summarization.compare_to or the baseline of its study; add it there"
            )
        return found

    def test(self, system, other, metric):
        """The same, or None where the run has no such test in the family of its tests or in a study."""
        tables = (self.run["summ"]["comparison"], *self.run["summ"]["studies"].values())
        return next(filter(None, (test_in(rows, system, other, metric) for rows in tables)), None)

    def versus(self, system, other, metric):
        """How a system compares with another, for a sentence; Holm's p decides."""
        difference, _, holm = self.comparison(system, other, metric)
        return self.language.difference(difference, holm)

    def tested(self, system, other, metric):
        """The same with both p, for a table."""
        return self.language.difference(*self.comparison(system, other, metric))

    def better(self, system, other, metric):
        difference, _, holm = self.comparison(system, other, metric)
        return judged(difference, holm)

    def comparable(self, system, other):
        """Whether the run has these two and tested them against each other."""
        return self.known(system, other) and self.test(system, other, DECIDING[0]) is not None

    def compared_pairs(self):
        """Every pair of systems that the run tested against each other, once: the later one of the configuration against the earlier."""
        summ = self.run["summ"]
        pairs = combinations(summ["systems"], 2)
        return [(later, earlier) for earlier, later in pairs if test_in(summ["comparison"], later, earlier, DECIDING[0])]

    def best(self, metric):
        """The system with the highest score, of those that no study adds."""
        systems = self.run["summ"]["systems"]
        return max(self.own_systems(), key=lambda name: systems[name]["scores"][metric]["value"])

    def findings_pairs(self):
        """The comparisons of the requirements whose systems this run has."""
        return [pair for pair in self.sources.requirements["comparisons"] if self.comparable(pair["system"], pair["other"])]

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

    def differences(self):
        """{top key of the configuration: the settings under it that differ from the assignment's}."""
        found = {}
        for change in self.run["differences"]:
            found.setdefault(change["key"].partition(".")[0], []).append(change)
        return found

    def argument(self, line):
        """What stands in this run for an argument that the assignment suggests."""
        if "key" not in line:
            return line["here"]
        config = self.run["config"]
        return config["seeds"][0] if line["key"] == "seed" else config["ner"]["training"][line["key"]]

    @pass_context
    def reason(self, context, line):
        """Why what stands here for an argument differs from the suggestion: a template, as all prose, that may name both."""
        values = {"suggested": line["suggested"], "here": self.argument(line)}
        return self.text(line["reason"][self.language.code], f"assignment_training.yaml: {line['argument']}", context.get_all() | values)

    def setting(self, value):
        """A value of the configuration as YAML writes it, on one line."""
        return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value

    # ------------------------------------------------------------------ sources

    def source(self, *paths):
        """The files of the run from which something was read, each as a link, with the rules that made them."""
        by_rules, comma = {}, self.language.phrase("words.comma")
        for path in dict.fromkeys(paths):
            folder = path.partition("*")[0]  # of those that a path with `*` names
            by_rules.setdefault(tuple(rules_of(self.run["rules"], path)), []).append(Markup(f"[{code(path)}](../{folder})"))
        shown = [
            self.language.phrase(
                "words.origin", files=comma.join(files), rules=comma.join(Markup(f"[{code(rule)}](#rule-{rule})") for rule in rules)
            )
            for rules, files in by_rules.items()
        ]
        return Markup(
            f"<small>{self.language.phrase('words.caption_source', files=self.language.phrase('words.semicolon').join(shown))}</small>"
        )

    def measured(self, files):
        """Of paths from which figures were read, those that the run measured, as `source` takes them."""
        inside = {Path(file).relative_to(self.run._source).as_posix() for file in files if self.run._source in Path(file).parents}
        groups = {}
        for path in sorted(inside & set(run_files(self.run["config"])) - {"config.yaml"}):
            groups.setdefault(pattern(path), []).append(path)
        for same in groups.values():
            shared = f"{posixpath.commonpath(same)}/*/{posixpath.basename(same[0])}"
            yield from same if len(same) <= MANY else [shared]

    def files(self, part, names):
        """Where the run keeps a part (`scores`, `speed`, …) of these systems."""
        files = files_of_systems(self.run["config"])
        paths = [f"summarization/systems/{name}/{files[name][part]}" for name in names]
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
        """The head of a table: names under `tables` or `metrics` in the texts. `#` marks a column of figures, a list several.

        A Column has a title of its own.
        """
        groups = ([group] if isinstance(group, str | Column) else [f"#{name}" for name in group] for group in names)
        columns = [name for group in groups for name in group]
        cells = [column.title if isinstance(column, Column) else self.column(column.lstrip("#")) for column in columns]
        rules = ["--:" if isinstance(column, Column) or column.startswith("#") else "---" for column in columns]
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

    def figure(self, name):
        """A picture of the run with its caption, and the table behind it."""
        picture = self.pictures[name]
        title, seen = escape(picture.title), escape(picture.description)
        if self.form == "html":
            region = f'<div class="drawing" role="group" aria-labelledby="figure-{name}-title" tabindex="0">'
            shown = f"<figure>\n{region}{picture.svg}</div>\n<figcaption>{title}</figcaption>\n</figure>"
        else:
            shown = f"![{seen}](figures/{name}.{self.language.code}.svg)\n\n*{title}*"
        parts = [shown]
        if picture.rows:
            head = self.columns(*picture.columns)
            rows = "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in picture.rows)
            parts.append(self.details(self.language.phrase("figures.table"), lambda: f"{head}\n{rows}"))
        return Markup("\n\n".join([*parts, self.source(*self.measured(picture.files))]))

    def rule_graph(self):
        """The graph of the rules: drawn in the page, as text that GitHub draws in Markdown."""
        rules = {rule["name"]: rule for rule in self.sources.provenance["rules"]}
        title, text = self.language.phrase("provenance.graph"), self.language.phrase("provenance.graph_text")
        if self.form == "md":
            return Markup(f"*{title}*\n\n{self.fenced(mermaid(rules), 'mermaid')}\n\n{text}")
        region = '<div class="drawing" role="group" aria-labelledby="rule-graph-title" tabindex="0">'
        return Markup(f"<figure>\n{region}{rule_drawing(rules, title, text)}</div>\n<figcaption>{title}</figcaption>\n</figure>\n\n{text}")

    def shared(self, text, reference):
        """A summary with the runs of words marked that its reference has, too."""
        opening, closing = SHARED[self.form]
        pieces, place = [], 0
        for start, end in shared_runs(text, reference):
            pieces += [escape(text[place:start]), f"{opening}{escape(text[start:end])}{closing}"]
            place = end
        return Markup("".join([*pieces, escape(text[place:])]).strip() or self.language.phrase("words.empty"))

    def shows_shared(self, text):
        """Whether `shared` has marked anything in a text of the page."""
        return SHARED[self.form][0] in text

    def requirement(self, text):
        if self.form == "html":
            return Markup(f'<div class="requirement">\n\n{text}\n\n</div>')
        return Markup("\n".join(f"> {line}".rstrip() for line in text.splitlines()))

    def passage(self, text):
        """A text of the run within a table, in the direction of its language."""
        language = self.run["config"]["summarization"]["language"]
        return Markup(f'<div lang="{language}" dir="{direction(language)}">{escape(text)}</div>')

    def quoted(self, text, title="", reference=None):
        """A longer text of the run (an article, a summary), as it is; what it shares with a `reference` is marked."""
        language = self.run["config"]["summarization"]["language"]
        parts = paragraphs(text) if reference is None else [self.shared(part, reference) for part in text.splitlines() if part.strip()]
        parts = parts or [self.language.phrase("words.empty")]
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
                pieces.append(f'<mark class="{attribute(kind)}">{text} <span class="tag" dir="ltr">{escape(kind)}</span></mark>')
            else:
                pieces.append(f"**{text}** ({escape(kind)})")
        line = " ".join(pieces)
        whose = f'lang="{attribute(language)}" dir="{direction(language)}"'
        return Markup(f'<p class="tagged" {whose}>{line}</p>' if self.form == "html" else line)

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


def test_in(rows, system, other, metric):
    """(difference, p, p after Holm's correction) of a table's paired test, whichever of the two its row names first, or None."""
    for one, two, sign in ((system, other, 1), (other, system, -1)):
        row = rows.get(one, {})
        if row.get(f"{metric}_holm_{two}") is not None:
            return sign * row[f"{metric}_minus_{two}"], row[f"{metric}_p_{two}"], row[f"{metric}_holm_{two}"]
    return None


def digest(text):
    """What names exactly this style or script in the policy of the page that holds it."""
    return Markup(f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}")


def attribute(text):
    """Data as the value of an attribute in double quotes."""
    return markupsafe.escape(visible(text))


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
