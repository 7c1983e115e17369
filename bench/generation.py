r"""Measure how this project generates summaries, against the plain way: seconds an article, with the texts compared.

    python bench/generation.py [--model MODEL_DIR] [--data results/demo/summarization] [--articles 16] [--shots 3] [--new-tokens 32] \
        [--repeats 2] [--output results/bench]

reads    MODEL_DIR           a causal language model (by default the one that the demo fetched) with a chat template
         DATA                train.parquet and test.parquet, as summ_split.py writes them
writes   OUTPUT/generation.md and .json   a table, and every single measurement

In fp32, so that the texts can be compared: all ways must write the same ones, and it is an error if they do not. Each measurement
summarizes the same articles in a process that holds the model already; the ways take turns, in alternating order, since a machine's
speed drifts.
"""

import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import lib.offline  # noqa: E402, F401, I001

import torch  # noqa: E402

from lib import generation  # noqa: E402
from lib.device import device_name  # noqa: E402
from lib.program import InputError, log, parser, program  # noqa: E402
from lib.prompting import load_template, ready_tokenizer, shorten  # noqa: E402
from lib.records import read_parquet  # noqa: E402
from lib.shots import choose  # noqa: E402
from measuring import fetched, publish, turns  # noqa: E402

FETCH = "snakemake --cores 2 results/demo/summarization/split.json results/demo/assets/smollm2.json --configfile presets/demo.yaml"
COLUMNS = ("id", "article", "reference")
BATCH, MAX_PROMPT, SHOT_ARTICLE, SEED = 16, 2048, 150, 42
WAYS = {  # title, with shots or without, batch size (None: transformers' generate), least tokens of a beginning that is computed once
    "plain": ("one at a time, transformers' generate", False, None, None),
    "batched": (f"Kargah: batches of {BATCH}", False, BATCH, None),
    "plain_shots": ("one at a time, transformers' generate", True, None, None),
    "batched_shots": (f"batches of {BATCH}, the shots computed for every article", True, BATCH, 10**9),
    "cached_shots": (f"Kargah: batches of {BATCH}, the shots computed once", True, BATCH, None),
}


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", type=Path)
    command.add_argument("--data", type=Path, default=ROOT / "results/demo/summarization")
    command.add_argument("--articles", type=int, default=16)
    command.add_argument("--shots", type=int, default=3)
    command.add_argument("--new-tokens", type=int, default=32)
    command.add_argument("--repeats", type=int, default=2)
    command.add_argument("--output", type=Path, default=ROOT / "results/bench")
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    args.model = args.model or fetched("smollm2")
    if args.model is None or not (args.data / "test.parquet").is_file():
        raise InputError(f"assets/smollm2 or {args.data}/test.parquet is missing; expected the demo's model and data; run: {FETCH}")
    template, tokenizer = load_template(ROOT / "prompts/chat.yaml"), ready_tokenizer(args.model)
    model, _ = generation.load_for_generation(args.model, "fp32", False)
    ends = template.end_ids(tokenizer, args.model)
    prompts = {with_shots: made_prompts(args, template, tokenizer, with_shots) for with_shots in (False, True)}
    found, texts = {name: [] for name in WAYS}, {}
    for name in turns(WAYS, args.repeats):
        _, with_shots, batch_size, worth = WAYS[name]
        start = time.perf_counter()
        if batch_size is None:
            ids = [one_at_a_time(model, tokenizer, prompt, ends, args.new_tokens) for prompt in prompts[with_shots]]
        else:
            ids = batched(model, tokenizer, prompts[with_shots], ends, args.new_tokens, batch_size, worth)
        found[name].append({"seconds": time.perf_counter() - start, "new_tokens": sum(map(len, ids))})
        if texts.setdefault(with_shots, ids) != ids:
            raise InputError(f"{name}: found other texts than those of the way before it; expected the same in fp32; report this")
        log(f"{name}: {found[name][-1]['seconds']:.1f} s")
    report(args, found, prompts)


def made_prompts(args, template, tokenizer, with_shots):
    """Ids of the prompts, with the same shots before each article, or with none."""
    train, test = (read_parquet(args.data / f"{split}.parquet", COLUMNS) for split in ("train", "test"))
    rows = test[: args.articles]
    shots = choose(train, rows, args.shots if with_shots else 0, "random", SEED)[0]
    shown = [(shorten(tokenizer, shot["article"], SHOT_ARTICLE)[0], shot["reference"]) for shot in shots]
    return [template.fitted(tokenizer, row["article"], MAX_PROMPT, shown)[0] for row in rows]


def one_at_a_time(model, tokenizer, prompt, ends, new_tokens):
    """The new tokens as a notebook would make them."""
    ids = torch.tensor([prompt], device=model.device)
    options = {"do_sample": False, "max_new_tokens": new_tokens, "eos_token_id": ends, "pad_token_id": tokenizer.pad_token_id}
    new = model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, len(prompt) :].tolist()
    return new[: next((place for place, token in enumerate(new) if token in ends), len(new))]


def batched(model, tokenizer, prompts, ends, new_tokens, batch_size, worth):
    usual = generation.SHARED_WORTH_CACHING
    generation.SHARED_WORTH_CACHING = worth or usual
    try:
        generator = generation.Generator(model, tokenizer, ends, (), new_tokens, batch_size)
        return [continuation.ids for continuation in generator.continuations(prompts)]
    finally:
        generation.SHARED_WORTH_CACHING = usual


def report(args, found, prompts):
    """Write the measurements, and a table of their medians."""
    medians = {name: statistics.median(run["seconds"] for run in runs) for name, runs in found.items()}
    lines = [
        f"{len(prompts[False])} articles, at most {args.new_tokens} new tokens each, fp32; {device_name()}; medians of {args.repeats} "
        "(range). All ways of a prompt wrote the same texts.",
        "",
        "| prompt | way | seconds an article | | new tokens a second |",
        "|---|---|---|---|---|",
    ]
    for name, (title, with_shots, *_) in WAYS.items():
        seconds = [run["seconds"] / len(prompts[with_shots]) for run in found[name]]
        tokens = statistics.mean(map(len, prompts[with_shots]))
        gain = medians["plain_shots" if with_shots else "plain"] / medians[name]
        lines.append(
            f"| {args.shots if with_shots else 0} shots, {tokens:.0f} tokens | {title} | {statistics.median(seconds):.2f} "
            f"({min(seconds):.2f}–{max(seconds):.2f}) | {gain:.2f}× | {found[name][0]['new_tokens'] / medians[name]:.1f} |"
        )
    ways = {name: {"title": title, "shots": args.shots if shots else 0} for name, (title, shots, *_) in WAYS.items()}
    publish(args.output, "generation", lines, ways=ways, measurements=found)


if __name__ == "__main__":
    main()
