r"""Summarize the test articles with a causal language model.

    python scripts/generate.py --model MODEL_DIR --test TEST.parquet --template TEMPLATE.yaml --precision nf4 --double-quantization \
        --batch-size 16 --max-new-tokens 128 --max-prompt-tokens 2048 \
        --train TRAIN.parquet --shots 3 --selection random --shot-article-tokens 400 --near-threshold 0.8 --near-characters 5 --seed 42 \
        --shard 2-of-8 \
        --predictions PREDICTIONS.jsonl --speed SPEED.json --record GENERATION.json

reads    MODEL_DIR          a Hugging Face model folder (safetensors) with its tokenizer
         TEST.parquet       id, article, reference
         TEMPLATE.yaml      the prompt template
         TRAIN.parquet      id, article, reference: where shots come from; with --shots only, like the other options of that line
writes   PREDICTIONS.jsonl  id, prediction, reference, prompt_tokens, new_tokens, truncated: in the order of TEST.parquet
         SPEED.json         seconds of generation and of loading, new tokens a second, peak memory; bytes of the weights: of their files
                            on disk, loaded, as they would be stored in the precision they are loaded in, and unpacked (on a CPU
                            4-bit weights are turned back once, after loading; else the same as loaded); device, precision asked
                            for and dtype computed in, batch size in the end and whether memory made it smaller, tokens of the
                            prompts' beginning that were computed once, number of shards
         GENERATION.json    template and its version, pad token, shots, those of them whose articles were shortened, and counts:
                            articles shortened, shots left out, empty summaries, what ended them;
                            `shots` are the ids shown, in the order of the prompt (if every article has its own: of their first use),
                            `shots_by_article` maps an article's id to those of its prompt, or is null if all articles have the same

Decoding is greedy. An article is shortened until its prompt fits --max-prompt-tokens and, with what is generated, the model's context.
Shots that are the same for every article stay, and it is an error if they leave no room. Where each article has its own (similar,
diverse), the farthest are left out, one after another, until the article fits or has room for as much of it as of a shot's article.
No shot may be a pair of test, or nearly one.

With --shard only every eighth article is summarized, here from the second on; gather_predictions.py joins the shards.
"""

import time
from contextlib import ExitStack
from functools import cache

import lib.offline  # noqa: F401

from lib.device import device_name, peak_memory
from lib.generation import PRECISIONS, Generator, bytes_stored, load_for_generation, unpacked
from lib.predictions import prediction
from lib.program import InputError, Steps, existing_file, log, model_folder, parser, positive, program, progress
from lib.prompting import load_template, ready_tokenizer, shorten
from lib.publish import whole
from lib.records import read_parquet, write_json, write_jsonl
from lib.shards import Shard
from lib.shot_selections import BY_ARTICLE, SELECTIONS
from lib.shots import choose, refuse_seen

COLUMNS = ("id", "article", "reference")


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--test", required=True, type=existing_file)
    command.add_argument("--template", required=True, type=existing_file)
    command.add_argument("--precision", required=True, choices=PRECISIONS)
    command.add_argument("--double-quantization", action="store_true", help="for nf4: quantize the scales as well")
    command.add_argument("--batch-size", required=True, type=positive)
    command.add_argument("--max-new-tokens", required=True, type=positive)
    command.add_argument("--max-prompt-tokens", required=True, type=int)
    command.add_argument("--shard", type=Shard.of, default=Shard(1, 1))
    shots = command.add_argument_group("shots")
    shots.add_argument("--train", type=existing_file)
    shots.add_argument("--shots", type=int, default=0)
    shots.add_argument("--selection", choices=SELECTIONS)
    shots.add_argument("--shot-article-tokens", type=int)
    shots.add_argument("--near-threshold", type=float)
    shots.add_argument("--near-characters", type=int)
    shots.add_argument("--seed", type=int)
    for output in ("predictions", "speed", "record"):
        command.add_argument(f"--{output}", required=True)
    args = command.parse_args(argv)
    if args.shots and None in (args.train, args.selection, args.shot_article_tokens, args.near_threshold, args.near_characters):
        command.error("--shots needs --train, --selection, --shot-article-tokens, --near-threshold and --near-characters")
    if args.shots and args.selection == "random" and args.seed is None:
        command.error("--selection random needs --seed")
    return args


@program
def main(argv=None):
    args = arguments(argv)
    template, tokenizer = load_template(args.template), ready_tokenizer(args.model)
    test = read_parquet(args.test, COLUMNS)
    rows = args.shard.rows(test)
    shots = chosen_shots(args, rows, test)
    by_article = args.shots and args.selection in BY_ARTICLE
    start = time.perf_counter()
    progress(f"loading the model in {args.precision}")
    model, dtype = load_for_generation(args.model, args.precision, args.double_quantization)
    sizes = {"bytes_loaded": model.get_memory_footprint(), "bytes_stored": bytes_stored(model)}
    model = unpacked(model)
    sizes["bytes_unpacked"] = model.get_memory_footprint()
    seconds_loading = time.perf_counter() - start

    limit = prompt_limit(args, model.config)
    log(f"{len(rows)} articles (shard {args.shard}), {args.shots} shots, prompts of at most {limit} tokens")
    start = time.perf_counter()
    short = cache(lambda article: shorten(tokenizer, article, args.shot_article_tokens)[0])
    shown = [[(short(shot["article"]), shot["reference"]) for shot in own] for own in shots]
    if by_article:
        shown = [
            fitting(template, tokenizer, row["article"], limit, own, args.shot_article_tokens) for row, own in zip(rows, shown, strict=True)
        ]
        shots = [own[len(own) - len(left) :] for own, left in zip(shots, shown, strict=True)]
    prompts = [template.fitted(tokenizer, row["article"], limit, own) for row, own in zip(rows, shown, strict=True)]
    generator = Generator(
        model, tokenizer, template.end_ids(tokenizer, args.model), template.stop_strings, args.max_new_tokens, args.batch_size
    )
    steps = Steps("article", len(rows))
    continuations = generator.continuations([ids for ids, _ in prompts], steps.at)
    texts = [generator.text(continuation.ids) for continuation in continuations]
    seconds = time.perf_counter() - start

    used = {shot["id"]: shot["article"] for own in shots for shot in own}
    new_tokens = sum(len(continuation.ids) for continuation in continuations)
    predictions = [
        prediction(row, text, len(ids), len(continuation.ids), shortened)
        for row, text, (ids, shortened), continuation in zip(rows, texts, prompts, continuations, strict=True)
    ]
    speed = {
        "seconds": seconds,
        "seconds_loading": seconds_loading,
        "articles": len(rows),
        "new_tokens": new_tokens,
        "new_tokens_per_second": new_tokens / seconds,
        "peak_memory_bytes": peak_memory(),
        "bytes_on_disk": sum(file.stat().st_size for file in args.model.glob("*.safetensors")),
        **sizes,
        "device": device_name(),
        "precision": args.precision,
        "dtype": dtype,
        "batch_size": generator.batch_size,
        "batch_size_reduced": generator.batch_size_reduced,
        "shared_prompt_tokens": generator.shared_tokens,
        "shards": args.shard.count,
    }
    record = {
        "template": template.name,
        "template_version": template.version,
        "pad_token": tokenizer.pad_token,
        "selection": args.selection if args.shots else None,
        "shots": list(used),
        "shots_by_article": ids_by_article(rows, shots) if by_article else None,
        "shots_shortened": [key for key, article in used.items() if short(article) != article],
        "articles_with_fewer_shots": sum(len(own) < args.shots for own in shots),
        "articles": len(rows),
        "articles_shortened": sum(shortened for _, shortened in prompts),
        "empty_predictions": sum(not text for text in texts),
        "ended_by": {
            "end": sum(continuation.ended for continuation in continuations),
            "limit": sum(not continuation.ended for continuation in continuations),
        },
    }
    with ExitStack() as outputs:
        write_jsonl(outputs.enter_context(whole(args.predictions)), predictions)
        write_json(outputs.enter_context(whole(args.speed)), speed)
        write_json(outputs.enter_context(whole(args.record)), record)


def chosen_shots(args, rows, test):
    """For each of `rows` its shots, in the order of the prompt."""
    if not args.shots:
        return [[]] * len(rows)
    progress(f"choosing shots: {args.selection}")
    shots = choose(read_parquet(args.train, COLUMNS), rows, args.shots, args.selection, args.seed)
    refuse_seen(list({shot["id"]: shot for own in shots for shot in own}.values()), test, args.near_threshold, args.near_characters)
    return shots


def fitting(template, tokenizer, article, limit, shots, least):
    """As many of `shots`, from the last on, as leave room for the whole article or for `least` tokens of it."""
    for first in range(len(shots)):
        kept = shots[first:]
        whole_prompt = template.token_ids(tokenizer, template.prompt(tokenizer, article, kept))
        if len(whole_prompt) <= limit or template.room(tokenizer, limit, kept) >= least:
            return kept
    return []


def ids_by_article(rows, shots):
    return {row["id"]: [shot["id"] for shot in own] for row, own in zip(rows, shots, strict=True)}


def prompt_limit(args, config):
    """Tokens that a prompt may take: max_prompt_tokens, unless the model's context leaves less beside what is generated."""
    context = getattr(config, "max_position_embeddings", None) or args.max_prompt_tokens + args.max_new_tokens
    limit = min(args.max_prompt_tokens, context - args.max_new_tokens)
    if limit <= 0:
        raise InputError(
            f"max_new_tokens: found {args.max_new_tokens}, and the context of {args.model} holds {context} tokens in all; expected fewer; "
            "lower it"
        )
    return limit


if __name__ == "__main__":
    main()
