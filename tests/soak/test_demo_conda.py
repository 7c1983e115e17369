"""The demo under conda."""

from conda_run import under_conda
from demo_copy import copy_with_assets
from demo_run import DEMO, demo  # noqa: F401
from same_files import of_run


def test_the_demo_under_conda(tmp_path, demo, record_property):  # noqa: F811
    folder = under_conda(copy_with_assets(tmp_path), "presets/demo.yaml", "demo_conda")
    made = folder / "results" / "demo_conda"
    scores = [path for path in of_run(DEMO) if path.endswith(("predictions.jsonl", "scores.json", "metrics.json"))]
    assert [path for path in scores if (DEMO / path).read_bytes() != (made / path).read_bytes()] == []
    record_property("found", f"{len(scores)} files of predictions and scores, the same as from the environment of the lock")
