"""What the benchmarks do alike: they work with what the demo fetched, and write a table beside every measurement."""

from pathlib import Path

from lib.device import device_name
from lib.publish import whole
from lib.records import write_json

ROOT = Path(__file__).resolve().parents[1]


def fetched(model):
    """The folder of a model that the demo fetched, None if it has not."""
    return next((path.parent for path in sorted(ROOT.glob(f"assets/{model}/*/config.json"))), None)


def publish(folder, name, lines, **values):
    """Write the lines of a table and all measurements to `folder`, and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / f"{name}.md") as table, whole(folder / f"{name}.json") as record:
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_json(record, {"device": device_name(), **values})
    print("\n".join(lines))
