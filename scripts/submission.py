r"""Pack what is handed in (D2): the report, the code of each part with the output of its run beside it, the workflow, an index.

    python scripts/submission.py --config results/demo/config.yaml --logs logs/demo --parts report/submission.yaml \
        --answers [OWN_DIR] report/answers --templates [OWN_DIR] report/templates --data data/mine \
        --project Snakefile config.yaml rules/ner.smk … --largest-model-mb 25 --output results/demo/submission/NLP-CA4-0123.zip

reads    --config    the run's configuration; the report and what the run measured lie beside it
         --logs      the run's logs
         --parts     which code, output, models and logs belong to which part of the assignment
         --answers   folders of answers; those of the last folder are the project's
         --templates folders of templates, likewise
         --data      local folders that data sets and models of the run come from
         --project   the workflow's own files, from the project's root
writes   --output    the archive: the same bytes for the same files

Models and local data of more than --largest-model-mb are left out, and the index lists them. Paths of this machine become relative ones,
and access tokens are taken out, in the copies of whatever the run wrote; a token in a file of the project is an error.
"""

import fnmatch
import os
import re
import zipfile
from itertools import product
from pathlib import Path

import lib.offline  # noqa: F401

import yaml

from lib.answers import chosen_answer
from lib.markdown_text import code, escape, literal_code_spans
from lib.portable_text import portable, token_line
from lib.program import InputError, existing_file, existing_folder, parser, program, progress
from lib.publish import whole
from lib.report_studies import figure_names, studies
from lib.settings import overrides
from lib.systems import extra_seeds, is_sparse, lineage, ner_folders, seed_folder, used_assets, with_seeds

LANGUAGES = ("en", "fa")
MARKDOWN_LINK = re.compile(r"\[(?P<label>[^\[\]]*)\]\(\.\./(?P<path>[^()\s]*)\)")
HTML_LINK = re.compile(r'<a [^<>]*?href="\.\./(?P<path>[^"]*)"[^<>]*>(?P<label>.*?)</a>', re.S)
OWN = {"answers": "own/answers", "templates": "own/templates"}  # where the student's own files lie in the packed workflow


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--config", required=True, type=existing_file)
    command.add_argument("--logs", required=True, type=existing_folder)
    command.add_argument("--parts", required=True, type=existing_file)
    command.add_argument("--answers", required=True, type=existing_folder, nargs="+")
    command.add_argument("--templates", required=True, type=existing_folder, nargs="+")
    command.add_argument("--data", default=[], type=existing_folder, nargs="*")
    command.add_argument("--project", required=True, type=existing_file, nargs="+")
    command.add_argument("--largest-model-mb", required=True, type=float)
    command.add_argument("--output", required=True, type=Path)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    config = read_config(args.config)
    parts = yaml.safe_load(args.parts.read_text(encoding="utf-8"))["parts"]
    archive = Archive(args.config.parent, args.logs, args.project, args.largest_model_mb)
    for part in parts:
        archive.add_part(part, placeholders(config, part.get("systems")))
    archive.add_report(config)
    archive.add_workflow(args.data)
    archive.add_own("answers", args.answers)
    archive.add_own("templates", args.templates)
    archive.content["settings.yaml"] = settings(config, args.project).encode()
    archive.content["README.md"] = index(config, parts, archive, args.answers).encode()
    with whole(args.output) as target:
        write_archive(target, {f"NLP-CA4-{config['student_id']}/{name}": data for name, data in archive.content.items()})
    progress(f"{args.output}: {len(archive.content)} files, {args.output.stat().st_size / 1e6:.1f} MB")


def read_config(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(config["student_id"], str):
        raise InputError(
            f'{path}: student_id is {config["student_id"]!r}; expected a quoted text, such as student_id: "0123"; add the quotes'
        )
    return config


# ------------------------------------------------------------------ what goes in


class Archive:
    """`content`: {path in the archive: bytes}; `left_out`: [(path in the archive, bytes)] of what is too large."""

    def __init__(self, run, logs, project, largest_mb):
        self.run, self.logs, self.project, self.largest = run, logs, project, largest_mb * 1e6
        self.content, self.left_out = {}, []

    def add_report(self, config):
        files = [f"report.{language}.{form}" for language in LANGUAGES for form in ("md", "html")]
        files += [f"figures/{name}.{language}.svg" for language in LANGUAGES for name in figure_names(config)]
        for name in files:
            path = self.run / "report" / name
            if not path.is_file():
                raise InputError(f"{path}: there is no such file; expected the report of the run; run the workflow, which writes it")
            self.content[f"report/{name}"] = relinked(cleaned(path), self.place_of).encode()

    def place_of(self, path):
        """Where the archive has a file or folder of the run, or None."""
        folders = dict.fromkeys(name.split("/output/")[0] for name in self.content if "/output/" in name)
        places = [f"{folder}/output/{path}" for folder in folders]
        return next(
            (place for place in places if any(name == place or name.startswith(f"{place.rstrip('/')}/") for name in self.content)), None
        )

    def add_part(self, part, places):
        """A part's code, and beside it the output and logs of the run; nobody believes code without them."""
        folder = part["folder"]
        for pattern in part["code"]:
            found = [path for path in self.project if fnmatch.fnmatch(path.as_posix(), pattern)]
            if not found:
                raise InputError(
                    f"{folder}: no file of the project is called {pattern}; expected the code of this part; correct report/submission.yaml"
                )
            self.content |= {f"{folder}/{path.name}": path.read_bytes() for path in found}
        for kind, base in (("output", self.run), ("logs", self.logs)):
            files = [path for pattern in part[kind] for path in matching(base, pattern, places)]
            if not files and places["system"]:
                raise InputError(f"{base}: there is nothing of {folder}; expected its {kind}; run the workflow, which writes them")
            self.content |= {
                f"{folder}/{kind}/{path.relative_to(base).as_posix()}": cleaned(path).encode() for path in files if path.is_file()
            }
        for pattern in part["models"]:
            for path in matching(self.run, pattern, places):
                self.add_large(path, f"{folder}/output/{path.relative_to(self.run).as_posix()}")

    def add_large(self, path, name):
        """A file, or a folder with all that is in it, as it is, unless it is too large."""
        files = [path] if path.is_file() else visible_files(path)
        size = sum(file.stat().st_size for file in files)
        if size > self.largest:
            self.left_out.append((name, size))
        else:
            for file in files:
                self.content[name if file == path else f"{name}/{file.relative_to(path).as_posix()}"] = file.read_bytes()

    def add_workflow(self, data):
        for path in self.project:
            self.content[f"workflow/{path.as_posix()}"] = without_token(path)
        for folder in data:
            if is_inside(folder):
                self.add_large(folder, f"workflow/{folder.as_posix()}")
            else:
                self.left_out.append((portable(folder.as_posix()), sum(file.stat().st_size for file in visible_files(folder))))

    def add_own(self, kind, folders):
        for folder in folders[:-1]:
            for file in visible_files(folder):
                self.content[f"workflow/{OWN[kind]}/{file.relative_to(folder).as_posix()}"] = without_token(file)


def placeholders(config, group):
    """What the names in braces of submission.yaml stand for: {name: paths}."""
    systems, seeds = config["summarization"]["systems"], extra_seeds(config)
    every = with_seeds(systems, seeds)
    models = [system["model"] for system in systems.values() if "model" in system]
    return {
        "tagger": [place for folder in ner_folders(config) for place in (folder, *(seed_folder(folder, seed) for seed in seeds))],
        "system": [name for name in every if group in (None, group_of(every, name))],
        "study": list(studies(config)),
        "asset": used_assets(config),
        "model": list(dict.fromkeys(models)),
    }


def group_of(systems, name):
    """pruned, tuned or prompted, as report/submission.yaml explains them."""
    if is_sparse(systems, name):
        return "pruned"
    tuned = {model_of(systems, other) for other in systems if systems[other]["kind"] == "finetune"}
    return "tuned" if model_of(systems, name) in tuned else "prompted"


def model_of(systems, name):
    return systems[list(lineage(systems, name))[-1]].get("model", name)


def matching(base, pattern, places):
    """Files and folders below `base` that fit a pattern, for everything that its placeholders stand for.

    Files of shards are none of them: a run that ended early left them, and another number of shards went on.
    """
    names = re.findall(r"{(\w+)}", pattern)
    for values in product(*(places[name] for name in names)):
        found = base.glob(pattern.format(**dict(zip(names, values, strict=True))))
        yield from sorted(path for path in found if not re.search(r"\.\d+-of-\d+\.", path.name))


def visible_files(folder):
    return sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))


def is_inside(folder):
    """Whether a path from the project's root stays in the project."""
    return not folder.is_absolute() and ".." not in Path(os.path.normpath(folder)).parts


def cleaned(path):
    """A text that the run wrote, fit to leave this machine."""
    return portable(path.read_text(encoding="utf-8", errors="replace"))


def relinked(text, place_of):
    """A report whose links to files of the run (from its folder: ../ner/metrics.json) lead to where the archive has them, or are none."""

    def link(match):
        place = place_of(match["path"])
        return match[0].replace(f"../{match['path']}", f"../{place}", 1) if place else match["label"]

    return HTML_LINK.sub(link, MARKDOWN_LINK.sub(link, text))


def without_token(path):
    """A file of the project or of the student as it is, but never with an access token in it."""
    data = path.read_bytes()
    if line := token_line(data.decode("utf-8", errors="replace")):
        raise InputError(f"{path}: line {line} holds an access token; expected none in what is handed in; set HF_TOKEN instead")
    if path.parts[0] in ("config.yaml", "presets"):
        return portable(data.decode()).encode()
    return data


def settings(config, project):
    """What differs from the configuration in the archive, for --configfile."""
    base = next((path for path in project if path.as_posix() == "config.yaml"), None)
    if base is None:
        raise InputError("--project: there is no config.yaml; expected the project's own; name it")
    own = {"report": config["report"] | {kind: OWN[kind] for kind in OWN if is_own(config, kind)}}
    changed = overrides(yaml.safe_load(base.read_text(encoding="utf-8")), config | own)
    head = "# What this run sets beside workflow/config.yaml; null takes away what stands there.\n"
    return head + portable(yaml.safe_dump(changed, allow_unicode=True, sort_keys=False, width=140))


def is_own(config, kind):
    return config["report"][kind] not in (None, f"report/{kind}")


# ------------------------------------------------------------------ the index


def index(config, parts, archive, answers):
    """The archive's table of contents: what is where, how to run it again, what was left out, and whose answers it holds."""
    own = "; `own/` has the student's own files" if any(is_own(config, kind) for kind in OWN) else ""
    lines = [
        f"# NLP CA4, {escape(config['course'])}",
        "",
        f"{escape(config['student_name'])}, {escape(config['student_id'])}; run {code(config['run'])}",
        "",
        "| folder | content |",
        "|---|---|",
        "| [`report/`](report) | the report in English and in Persian: `report.en.html` and `report.fa.html` open in any browser; "
        "`report.en.md` and `report.fa.md` are the same as Markdown, with their pictures in `figures/` |",
        *(part_row(part, archive.content) for part in parts),
        f"| [`workflow/`](workflow) | the whole workflow, to run it again{own} |",
        "| [`settings.yaml`](settings.yaml) | what this run sets beside `workflow/config.yaml` |",
        "",
        "To run it again, with Python 3.11 and conda, in `workflow/`: `snakemake --cores 1 --use-conda --configfile ../settings.yaml`; "
        "`workflow/README.md` says more. Models and data sets that were left out are fetched and made again.",
        "",
        "## Whose answers",
        "",
        *(answer_line(language, answers) for language in LANGUAGES),
        "",
        "## Left out for their size",
        "",
        *(f"- {code(name)}, {size / 1e6:,.1f} MB" for name, size in sorted(archive.left_out)),
        *([] if archive.left_out else ["Nothing."]),
        "",
        "## Files",
        "",
        *(f"- {code(name)}" for name in sorted(archive.content)),
        "",
    ]
    return literal_code_spans("\n".join(lines))


def part_row(part, content):
    folder = part["folder"]
    count = {kind: sum(name.startswith(f"{folder}/{kind}/") for name in content) for kind in ("output", "logs")}
    shown = f"the code; {count['output']} files of output and {count['logs']} logs of its run beside it in `output/` and `logs/`"
    return f"| [`{folder}/`]({folder}) | {part['title']}: {shown} |"


def answer_line(language, folders):
    questions = sorted((path.stem for path in (folders[-1] / language).glob("*.md")), key=in_order)
    own = [question for question in questions if chosen_answer(folders, language, question)[1]]
    left = [question for question in questions if question not in own]
    return f"- {language}: the student's own: {', '.join(own) or 'none'}; still the project's: {', '.join(left) or 'none'}"


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
