"""The pictures of a report: which data of the run each shows, in the words of the report's language, with the table behind it."""

from dataclasses import dataclass, field

from lib import figures, report_ner_figures, report_study_figures, report_training_figures
from lib.report_data import reading
from lib.report_language import PERSIAN
from lib.report_studies import kind_of_picture, studies


@dataclass
class Picture:
    svg: str
    title: str
    description: str
    columns: list  # these two as in Drawn
    rows: list
    files: set = field(default_factory=set)  # of the run, from which it was drawn


MARKS = dict.fromkeys(map(ord, "\u2067\u2069\u200e\u200f"))  # of direction: they serve text that is seen
KINDS = report_ner_figures.KINDS | report_training_figures.KINDS | report_study_figures.KINDS


def pictures(report, names):
    """{name: Picture}."""
    found = {}
    for name in names:
        with reading() as files:
            found[name] = picture(report, name)
        found[name].files = files
    return found


def picture(report, name):
    study = name.removeprefix("study_")
    kind = kind_of_picture(report.run["config"], name)
    drawn = KINDS[kind](report, study)
    entry = studies(report.run["config"]).get(study)
    baseline = report.label(entry["baseline"]) if entry else ""
    words = {"study": study, "baseline": baseline, "fewest": report.language.integer(report_ner_figures.FEWEST)}
    title = report.language.entry(f"figures.{kind}").format(**words).translate(MARKS)
    description = " ".join([*drawn.seen, report.language.entry("figures.described")]).translate(MARKS)
    svg = figures.described(drawn.svg, f"figure-{name}", title, description, PERSIAN if report.language.code == "fa" else None)
    return Picture(svg, title, description, drawn.columns, drawn.rows)
