"""What the report reads of a run."""

import yaml

from lib.report_data import load_run, run_files
from report_run import ROOT, make_run


def test_sizes_and_losses_are_read_where_they_are_measured(tmp_path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    studies = {"amounts": {"baseline": "smollm2_tuned", "systems": ["smollm2_pruned"], "axis": "amount"}}
    own = config["summarization"] | {"studies": studies}
    run = load_run(make_run(tmp_path, overrides={"summarization": own}))
    measured = ["smollm2_tuned", "smollm2_pruned", "smollm2_retuned", "smollm2_tuned_again"]  # the curve shows its baseline's kin as well
    assert [name for name, system in run.summ.systems.items() if "validation_loss" in system] == measured
    assert run.summ.systems.smollm2_pruned.validation_loss.pairs > 0
    assert [name for name, system in run.summ.systems.items() if "storage" in system] == ["smollm2_pruned", "smollm2_retuned"]
    assert run.summ.systems.smollm2_pruned.storage.bitmask_bytes < run.summ.systems.smollm2_pruned.storage.dense_bytes
    files = run_files(config | {"summarization": own})
    assert "summarization/systems/smollm2_pruned/storage.json" in files
    assert [path for path in files if "validation_loss" in path] == [
        f"summarization/systems/{name}/validation_loss.json" for name in measured
    ]
