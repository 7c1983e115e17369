r"""Add to the provenance of a fetched asset what this run's config says of it.

    python scripts/provenance.py --fetched assets/smollm2/main.json --title SmolLM2-360M --licence Apache-2.0 --output OUT.json

reads    --fetched   the provenance that fetch.py wrote
writes   OUT.json    the same, with title and licence
"""

from pathlib import Path

from lib.program import existing_file, parser, program
from lib.publish import whole
from lib.records import read_json, write_json


def arguments(argv):
    options = parser(__doc__)
    options.add_argument("--fetched", required=True, type=existing_file)
    options.add_argument("--title", required=True)
    options.add_argument("--licence", required=True)
    options.add_argument("--output", required=True, type=Path)
    return options.parse_args(argv)


@program
def main(argv=None):
    args = arguments(argv)
    record = read_json(args.fetched)
    with whole(args.output) as part:
        write_json(part, {"name": record["name"], "title": args.title, "licence": args.licence, **record})


if __name__ == "__main__":
    main()
