r"""Write the report of a run: from the same templates as Markdown and as one HTML page, in English and in Persian.

    python scripts/report.py --config results/demo/config.yaml --templates [OWN_DIR] report/templates --answers [OWN_DIR] report/answers \
        --report-folder report --prompts prompts --benchmarks benchmarks/demo --preflight assets/preflight.json --output results/demo/report

reads    --config          the run's configuration; beside it lie provenance, metrics, predictions, training logs, tables
         --templates       folders of templates; of a file that several have, the first counts
         --answers         folders of answers, {en,fa}/{id}.md, the same way; those of the last folder are the project's
         --report-folder   texts.{en,fa}.yaml, requirements.yaml, assignment_training.yaml, facts.yaml, references.bib, fonts/
         --prompts         the templates of the prompts, {name}.yaml
         --benchmarks      what Snakemake measured of the run's jobs; shown as far as it is there, since no rule makes it
         --preflight       what was checked before the run; the same way
writes   --output          report.{en,fa}.{md,html}; an HTML page needs no other file and no network
                           figures/{name}.{en,fa}.svg, the pictures of the Markdown

Every figure comes from a file of the run. A file or a key that is missing is an error that names it, and nothing is written.
"""

import base64
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import lib.offline  # noqa: F401

from lib.figures import standalone
from lib.markdown_html import html
from lib.program import existing_file, existing_folder, parser, program, progress
from lib.publish import whole
from lib.records import read_yaml
from lib.report_context import Report
from lib.report_data import load_run
from lib.report_figures import pictures
from lib.report_language import Language, direction
from lib.report_provenance import provenance
from lib.report_studies import figure_names

LANGUAGES = ("en", "fa")


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--config", required=True, type=existing_file)
    command.add_argument("--templates", required=True, type=existing_folder, nargs="+")
    command.add_argument("--answers", required=True, type=existing_folder, nargs="+")
    command.add_argument("--report-folder", required=True, type=existing_folder)
    command.add_argument("--prompts", required=True, type=existing_folder)
    command.add_argument("--benchmarks", required=True, type=Path)
    command.add_argument("--preflight", required=True, type=Path)
    command.add_argument("--output", required=True, type=Path)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    run = load_run(args.config.parent)
    sources = read_sources(args, provenance(run["rules"], args.benchmarks, args.preflight, Path(__file__).parents[1]))
    texts = {}
    for code in LANGUAGES:
        path = args.report_folder / f"texts.{code}.yaml"
        language = Language(code, read_yaml(path), path)
        drawn = {}
        for form in ("md", "html"):
            report = Report(run, language, form, sources)
            drawn = report.pictures = drawn or pictures(report, figure_names(run["config"]))
            text = report.markdown()
            texts[f"report.{code}.{form}"] = text if form == "md" else page(report, html(text, direction(code)), args.report_folder)
        texts |= {f"figures/{name}.{code}.svg": standalone(picture.svg) for name, picture in drawn.items()}
    with ExitStack() as outputs:
        for name, text in texts.items():
            outputs.enter_context(whole(args.output / name)).write_text(text, encoding="utf-8")
    progress(f"{args.output / 'report.en.html'} and report.fa.html")


def read_sources(args, provenance):
    folder = args.report_folder
    return SimpleNamespace(
        provenance=provenance,
        templates=args.templates,
        answers=args.answers,
        prompts=args.prompts,
        requirements=read_yaml(folder / "requirements.yaml"),
        suggested_arguments=read_yaml(folder / "assignment_training.yaml"),
        facts=read_yaml(folder / "facts.yaml"),
        facts_path=folder / "facts.yaml",
        bibliography=folder / "references.bib",
    )


def page(report, body, folder):
    """The HTML page around the report's body."""
    font = base64.b64encode((folder / "fonts" / "Vazirmatn.woff2").read_bytes()).decode()
    return report.page(body, font)


if __name__ == "__main__":
    main()
