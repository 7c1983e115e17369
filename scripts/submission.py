r"""Pack what is handed in (D2): the report, the code of each part with the output of its run beside it, the workflow, an index.

    python scripts/submission.py --config results/demo/config.yaml --logs logs/demo --parts report/submission.yaml \
        --answers [OWN_DIR] report/answers --project Snakefile config.yaml rules/ner.smk … --output results/demo/submission/NLP-CA4-0123.zip

reads    --config    the run's configuration; the report and what the run measured lie beside it
         --logs      the run's logs
         --parts     which code, output and logs belong to which part of the assignment
         --answers   folders of answers; those of the last folder are the project's
         --project   the workflow's own files, from the project's root
writes   --output    the archive: the same bytes for the same files

Weights and data sets are left out. Paths of this machine become relative ones, and access tokens are taken out, in the copies of whatever
the run wrote.
"""

import fnmatch
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import lib.offline  # noqa: F401

import yaml

from lib.program import InputError, existing_file, existing_folder, parser, program, progress
from lib.publish import whole
from lib.report_studies import figure_names

LANGUAGES = ("en", "fa")
TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--config", required=True, type=existing_file)
    command.add_argument("--logs", required=True, type=Path)
    command.add_argument("--parts", required=True, type=existing_file)
    command.add_argument("--answers", required=True, type=existing_folder, nargs="+")
    command.add_argument("--project", required=True, type=existing_file, nargs="+")
    command.add_argument("--output", required=True, type=Path)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    config = yaml.safe_load(args.config.read_text(encoding="utf-8"))
    if not isinstance(config["student_id"], str):
        raise InputError(
            f'{args.config}: student_id is {config["student_id"]!r}; expected a quoted text, such as student_id: "0123"; add the quotes'
        )
    run, root = args.config.parent, f"NLP-CA4-{config['student_id']}"
    parts = yaml.safe_load(args.parts.read_text(encoding="utf-8"))["parts"]
    content = {}  # path in the archive → bytes
    for path in report_files(run):
        content[f"report/{path.relative_to(run / 'report').as_posix()}"] = cleaned(path)
    for part in parts:
        content |= part_content(part, run, args.logs, args.project)
    for path in args.project:
        content[f"workflow/{path.as_posix()}"] = path.read_bytes()
    content["README.md"] = index(config, parts, content, args.answers).encode()
    with whole(args.output) as target:
        write_archive(target, {f"{root}/{name}": data for name, data in content.items()})
    progress(f"{args.output}: {len(content)} files, {args.output.stat().st_size / 1e6:.1f} MB")


def report_files(run):
    files = [run / "report" / f"report.{language}.{form}" for language in LANGUAGES for form in ("md", "html")]
    figures = figure_names(yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")))
    files += [run / "report" / "figures" / f"{name}.{language}.svg" for language in LANGUAGES for name in figures]
    for path in files:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; expected the report of the run; run the workflow, which writes it")
    return files


def part_content(part, run, logs, project):
    """Code, output and logs of a part: {path in the archive: bytes}. Raises InputError for code that the project lacks."""
    folder, content = part["folder"], {}
    for pattern in part["code"]:
        found = [path for path in project if fnmatch.fnmatch(path.as_posix(), pattern)]
        if not found:
            raise InputError(
                f"{folder}: no file of the project is called {pattern}; expected the code of this part; correct report/submission.yaml"
            )
        content |= {f"{folder}/{path.name}": path.read_bytes() for path in found}
    for kind, base in (("output", run), ("logs", logs)):
        for pattern in part[kind]:
            for path in sorted(base.glob(pattern)):
                for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                    if file.is_file():
                        content[f"{folder}/{kind}/{file.relative_to(base).as_posix()}"] = cleaned(file)
    return content


def cleaned(path):
    """A text that the run wrote, without access tokens and without paths of this machine."""
    text = path.read_text(encoding="utf-8", errors="replace")
    places = {str(Path.cwd()): ".", sys.prefix: "python", tempfile.gettempdir(): "tmp", str(Path.home()): "~"}
    for place in sorted(places.keys() - {"/"}, key=len, reverse=True):  # a folder before the one that holds it
        text = re.sub(rf"(?<![\w.~-]){re.escape(place)}(?=/|\b)", places[place], text)
    return TOKEN.sub("hf_…", text).encode()


def index(config, parts, content, answers):
    """The archive's table of contents, and whose answers it holds."""
    lines = [
        f"# NLP CA4, {config['course']}",
        "",
        f"{config['student_name']}, {config['student_id']}; run `{config['run']}`",
        "",
        "| folder | content |",
        "|---|---|",
        "| `report/` | the report in English and in Persian; `report.en.html` and `report.fa.html` open in any browser |",
        *(f"| `{part['folder']}/` | {part['title']}: the code, with `output/` and `logs/` of its run |" for part in parts),
        "| `workflow/` | the whole workflow, to run it again |",
        "",
        "To run it again: in `workflow/`, `snakemake --cores 1 --use-conda --configfile ../4-provenance/output/config.yaml`. "
        "Weights and data sets are not in this archive; the workflow fetches and makes them.",
        "",
        "## Answers",
        "",
    ]
    *own_folders, project = answers
    for language in LANGUAGES:
        questions = sorted((path.stem for path in (project / language).glob("*.md")), key=in_order)
        own = [question for question in questions if any((folder / language / f"{question}.md").is_file() for folder in own_folders)]
        left = [question for question in questions if question not in own]
        lines += [f"- {language}: the student's own: {', '.join(own) or 'none'}; still the project's: {', '.join(left) or 'none'}"]
    lines += ["", "## Files", "", *(f"- `{name}`" for name in sorted(content)), ""]
    return "\n".join(lines)


def in_order(question):
    return "NSP".index(question[0]), int(question[1:])


def write_archive(path, content):
    """A ZIP whose bytes depend on names and contents alone."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content[name], compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)


if __name__ == "__main__":
    main()
