r"""Join what generate.py wrote for each shard of the test articles.

    python scripts/gather_predictions.py --shard-predictions 1.jsonl 2.jsonl --shard-speeds 1.json 2.json --shard-records 1.json 2.json \
        --predictions PREDICTIONS.jsonl --speed SPEED.json --record GENERATION.json

reads    the three files of every shard, as generate.py writes them, in the order of the shards
writes   PREDICTIONS.jsonl  the same rows in the order of the test articles, whatever the number of shards
         GENERATION.json    counts summed, shots joined
         SPEED.json         seconds and tokens summed, tokens a second of one shard at a time, the largest peak memory, the smallest
                            batch
"""

from contextlib import ExitStack

from lib.program import InputError, existing_file, parser, program
from lib.publish import whole
from lib.records import read_json, read_jsonl, write_json, write_jsonl
from lib.shards import interleaved

JOINED = {  # how each number of speed.json is joined
    sum: ("seconds", "seconds_loading", "articles", "new_tokens"),
    max: ("peak_memory_bytes", "bytes_on_disk", "bytes_loaded", "bytes_stored", "bytes_unpacked"),
    min: ("batch_size", "shared_prompt_tokens"),
    any: ("batch_size_reduced",),
}


def arguments(argv):
    command = parser(__doc__)
    for files in ("predictions", "speeds", "records"):
        command.add_argument(f"--shard-{files}", required=True, nargs="+", type=existing_file)
    for output in ("predictions", "speed", "record"):
        command.add_argument(f"--{output}", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    shards = [read_jsonl(path) for path in args.shard_predictions]
    try:
        predictions = interleaved(shards)
    except ValueError as error:
        raise InputError(
            f"{args.shard_predictions[0]} and those beside it: found {error}; expected every shard of one test set, in order; "
            "delete them and run the workflow again"
        ) from None
    speeds, records = ([read_json(path) for path in paths] for paths in (args.shard_speeds, args.shard_records))
    with ExitStack() as outputs:
        write_jsonl(outputs.enter_context(whole(args.predictions)), predictions)
        write_json(outputs.enter_context(whole(args.speed)), joined_speed(speeds))
        write_json(outputs.enter_context(whole(args.record)), joined_record(records, [row["id"] for row in predictions]))


def joined_speed(speeds):
    """speed.json of all shards; of unlike machines, all are named."""
    speed = speeds[0] | {key: join(part[key] for part in speeds) for join, keys in JOINED.items() for key in keys}
    speed |= {key: ", ".join(dict.fromkeys(part[key] for part in speeds)) for key in ("device", "dtype")}
    return speed | {"new_tokens_per_second": speed["new_tokens"] / speed["seconds"]}


def joined_record(records, ids):
    """generation.json of all shards; `ids` are those of the test articles in order."""
    by_article, shots = records[0]["shots_by_article"], [shot for record in records for shot in record["shots"]]
    if by_article is not None:
        found = {key: own for record in records for key, own in record["shots_by_article"].items()}
        by_article = {key: found[key] for key in ids}
        shots = [shot for own in by_article.values() for shot in own]
    shortened = {shot for record in records for shot in record["shots_shortened"]}
    return records[0] | {
        "shots": list(dict.fromkeys(shots)),
        "shots_by_article": by_article,
        "shots_shortened": [shot for shot in dict.fromkeys(shots) if shot in shortened],
        **{
            key: sum(record[key] for record in records)
            for key in ("articles_with_fewer_shots", "articles", "articles_shortened", "empty_predictions")
        },
        "ended_by": {end: sum(record["ended_by"][end] for record in records) for end in records[0]["ended_by"]},
    }


if __name__ == "__main__":
    main()
