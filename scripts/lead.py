r"""Lead-k: the first sentences of each article, the baseline that needs no model.

    python scripts/lead.py --test TEST.parquet --sentences 3 --predictions PREDICTIONS.jsonl --speed SPEED.json

reads    TEST.parquet       id, article, reference
writes   PREDICTIONS.jsonl  id, prediction, reference, prompt_tokens, new_tokens (both 0), truncated (false)
         SPEED.json         as generate.py writes it; what only a model has is null
"""

import resource
import time

import lib.offline  # noqa: F401

from lib.predictions import prediction
from lib.program import existing_file, parser, program
from lib.publish import whole
from lib.records import read_parquet, write_json, write_jsonl
from lib.sentences import sentences


def arguments(argv):
    command = parser(__doc__)
    command.add_argument("--test", required=True, type=existing_file)
    command.add_argument("--sentences", required=True, type=int)
    command.add_argument("--predictions", required=True)
    command.add_argument("--speed", required=True)
    return command.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    rows = read_parquet(args.test, ("id", "article", "reference"))
    start = time.perf_counter()
    predictions = [prediction(row, " ".join(sentences(row["article"])[: args.sentences])) for row in rows]
    speed = {
        "seconds": time.perf_counter() - start,
        "seconds_loading": 0,
        "articles": len(rows),
        "new_tokens": 0,
        "new_tokens_per_second": None,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "bytes_on_disk": 0,
        "bytes_loaded": 0,
        "bytes_stored": 0,
        "bytes_unpacked": 0,
        "device": "CPU",
        "precision": None,
        "dtype": None,
        "batch_size": None,
        "batch_size_reduced": False,
        "shared_prompt_tokens": None,
        "shards": None,
    }
    with whole(args.predictions) as predictions_file, whole(args.speed) as speed_file:
        write_jsonl(predictions_file, predictions)
        write_json(speed_file, speed)


if __name__ == "__main__":
    main()
