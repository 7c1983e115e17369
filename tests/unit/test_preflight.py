"""Preflight says what would go wrong later, and what to do about it, before any work starts."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import preflight
from lib.machine import free_memory_bytes, memory_bytes
from lib.preflight import FAILED, NOTE, OK, Machine, check_disk, check_memory, check_precisions, check_versions, hours
from lib.program import InputError
from lib.records import read_json
from preflight import measured

CPU = Machine("a processor", 16_000_000_000, None, "fp32", 1e11, 1e10)
T4 = Machine("Tesla T4", 16_000_000_000, 15_000_000_000, "fp16", 2e13, 2e11)
NEEDS = {
    "assets": [],
    "disk": {"assets": {"gigabytes": 1.0, "there": []}, "results": {"gigabytes": 2.0, "there": []}},
    "folders": ["assets", "results/x"],
    "memory": {"what": "fine-tuning smollm2_tuned", "mb": 15_600},
    "trained_gigabytes": 0.8,
    "precisions": {"training": {}, "generation": {}},
    "work": {"jobs": 1, "training": [], "generation": []},
}


def statuses(checks):
    return {check.name: check.status for check in checks}


@pytest.mark.parametrize(
    ("groups", "files", "allowed"),
    [
        ("", {}, None),
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {"memory.max": "5000"}, 5000),
        ("0::/jobs/mine\n", {"jobs/mine/memory.max": "max", "jobs/memory.max": "7000"}, 7000),
        ("9:cpu:/\n3:memory:/docker/abc\n", {"memory/memory.limit_in_bytes": "6000"}, 6000),
        ("3:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
    ],
)
def test_memory_is_what_a_container_allows(tmp_path, groups, files, allowed):
    for path, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{path}": f"{text}\n" for path, text in files.items()}}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    every = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory_bytes(tmp_path) == (allowed or every)


def test_memory_that_the_rules_ask_for_must_be_there():
    assert statuses(check_memory(NEEDS, CPU)) == {"memory": OK}
    [check] = check_memory(NEEDS | {"memory": {"what": "generating with llama", "mb": 16_001}}, CPU)
    assert check.status == FAILED
    assert check.text.startswith("generating with llama asks for 16.0 GB and this machine has 16.0; choose")


def test_memory_that_other_programs_hold_is_said():
    [check] = check_memory(NEEDS, replace(CPU, free_memory=1_000_000_000))
    assert check.status == NOTE
    assert check.text.endswith(" GB, and of 16.0 only 1.0 are free now; close other programs")
    assert statuses(check_memory(NEEDS, replace(CPU, free_memory=15_900_000_000))) == {"memory": OK}


def test_free_memory_is_what_linux_says(tmp_path):
    assert 0 < free_memory_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    (tmp_path / "meminfo").write_text("MemTotal:        9 kB\nMemAvailable:    7 kB\n")
    assert free_memory_bytes(tmp_path / "meminfo") == 7 * 1024
    assert free_memory_bytes(tmp_path / "nothing") is None


def test_the_full_preset_fits_a_card_of_16_gb():
    assert statuses(check_memory(NEEDS, T4)) == {"memory": OK, "GPU memory": OK}
    assert statuses(check_memory(NEEDS | {"trained_gigabytes": 2.5}, T4))["GPU memory"] == FAILED


def test_a_disk_that_is_too_small_is_named():
    checks = list(check_disk(NEEDS, {"assets": (1, 2_000_000_000, 0), "results": (2, 1_000_000_000, 0)}))
    assert statuses(checks) == {"disk: assets": OK, "disk: results": FAILED}
    assert "2.0 GB to be written to results, 1.0 free; free some, or link a folder" in checks[1].text


def test_folders_on_one_disk_have_to_fit_together():
    disks = {"assets": (1, 2_500_000_000, 0), "results": (1, 2_500_000_000, 0)}
    assert statuses(check_disk(NEEDS, disks)) == {"disk: assets, results": FAILED}


def test_what_a_run_has_made_needs_no_room_again(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(b"0" * 1000)
    number, free, there = preflight.disk(tmp_path / "results", [tmp_path / "model"])
    assert (number, there) == (tmp_path.stat().st_dev, 1000)
    assert free > 0
    disks = {"assets": (1, 1_000_000, 1_000_000_000), "results": (1, 1_000_000, 2_000_000_000)}
    assert statuses(check_disk(NEEDS, disks)) == {"disk: assets, results": OK}


@pytest.mark.parametrize(
    ("machine", "work", "precision", "status"),
    [
        (CPU, "training", "fp16", FAILED),
        (CPU, "generation", "fp16", NOTE),
        (CPU, "training", "bf16", NOTE),
        (T4, "generation", "bf16", NOTE),
    ],
)
def test_a_precision_that_the_device_lacks_is_named_with_its_key(machine, work, precision, status):
    needs = {"precisions": {work: {"summarization.systems.x.precision": precision}}}
    checks = list(check_precisions(needs, machine, elsewhere=False))
    assert statuses(checks)["summarization.systems.x.precision"] == status
    assert "summarization.systems.x.precision" not in statuses(check_precisions(needs, machine, elsewhere=True))


@pytest.mark.parametrize("precision", ["auto", "fp32", "int8", "nf4"])
def test_other_precisions_run_anywhere(precision):
    for machine in (CPU, T4):
        assert statuses(check_precisions({"precisions": {"training": {"x": precision}}}, machine, elsewhere=False)) == {"device": OK}
    assert statuses(check_precisions({"precisions": {"training": {"x": "fp16"}}}, T4, elsewhere=False)) == {"device": OK}


def test_versions_that_differ_from_the_lock_are_noted():
    pinned = {"torch": "2.13.0", "pandas": "3.1.1", "absent": "1.0"}
    assert [check.status for check in check_versions(pinned, {"torch": "2.13.0+cpu", "pandas": "3.1.1"})] == [OK]
    [check] = check_versions(pinned, {"torch": "2.12.0", "pandas": "3.1.1"})
    assert (check.status, check.text[:24]) == (NOTE, "torch 2.12.0 for 2.13.0:")


def test_what_is_left_of_a_removed_package_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "gone-1.0.dist-info").mkdir()
    (tmp_path / "gone-1.0.dist-info" / "INSTALLER").write_text("conda")
    monkeypatch.syspath_prepend(tmp_path)
    found = preflight.installed()
    assert "gone" not in found
    assert found["torch"].startswith("2.")


def test_hours_follow_the_work():
    training = {"parameters": 1e8, "tokens": 1e6}
    generation = {"parameters": 1e8, "articles": 100, "prompt_tokens": 1000, "new_tokens": 50, "batch_size": 8}
    work = {"jobs": 0, "training": [training], "generation": [generation]}
    expected = 6e14 / (0.75 * 1e11) + 2e13 / (0.45 * 1e11) + 13 * 50 * 2e8 / 1e10
    assert hours(work, CPU) == pytest.approx(expected / 3600)
    assert hours(work | {"jobs": 300}, CPU) == pytest.approx((expected + 3600) / 3600)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preflight, "measured", lambda precisions: CPU)
    (tmp_path / "lock.txt").write_text("# pins\nno-such-package==1.0\n")

    def run(devices="here", **needs):
        argv = ["--needs", json.dumps(NEEDS | needs), "--lock", "lock.txt", "--devices", devices, "--output", "preflight.json"]
        preflight.main(argv)
        return {check["name"]: check for check in read_json("preflight.json")["checks"]}

    return run


def asset(source="hub", **entry):
    return {"key": "models.llama", "kind": "models", "folder": "assets/llama/1", "entry": {"source": source, **entry}}


def test_a_gated_model_is_refused_with_the_page_to_visit(run, monkeypatch, capsys):
    def refused(repository, revision, kind, key):
        raise InputError(f"{key}: {repository} is gated and no token was found; accept the licence at PAGE, then set HF_TOKEN")

    monkeypatch.setattr("lib.hub.accessible", refused)
    gated = asset(repository="meta-llama/Llama-3.2-1B", revision="main")
    with pytest.raises(
        SystemExit,
        match=r"preflight: 1 of \d+ checks failed, expected none; models.llama: meta-llama/Llama-3.2-1B is gated .* set HF_TOKEN",
    ):
        run(assets=[gated])
    assert "failed  models.llama" in capsys.readouterr().out
    assert not Path("preflight.json").exists()
    Path(gated["folder"]).mkdir(parents=True)
    assert run(assets=[gated])["assets"]["text"] == "all 1 are fetched"


def test_what_can_be_read_is_told_with_its_commit(run, monkeypatch):
    monkeypatch.setattr("lib.hub.accessible", lambda *_: "c" * 40)
    checks = run(assets=[asset(repository="o/n", revision="main"), asset("wheel") | {"key": "models.other"}])
    assert checks["models.llama"]["text"] == "o/n can be read, at cccccccc"
    assert checks["models.other"]["text"] == "to be fetched, source wheel"
    assert checks["time"]["status"] == OK


def test_of_a_cluster_the_hours_are_those_of_its_nodes(run):
    work = {"work": {"jobs": 0, "training": [{"parameters": 1e8, "tokens": 1e7}], "generation": []}}
    node = {"node": asdict(T4)}
    assert "about 22 hours for the whole run, from this machine's arithmetic" in run(**work, **node)["time"]["text"]
    assert "about 17 minutes for the whole run, if its jobs ran one after another" in run("elsewhere", **work, **node)["time"]["text"]


def test_a_folder_without_permission_is_named(run, tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(preflight.tempfile, "TemporaryFile", refuse)
    with pytest.raises(SystemExit, match="write: results/x: .* cannot be written to .Permission denied.; change its permissions"):
        run()


def test_a_precision_that_does_not_run_stops_the_run_before_it_begins(run, monkeypatch):
    class Lacking:
        def __init__(self, *_, **__):
            raise RuntimeError("no kernel image is available\nfor execution on the device")

    import bitsandbytes

    monkeypatch.setattr(bitsandbytes.nn, "Linear4bit", Lacking)
    monkeypatch.setattr(preflight, "measured", measured)
    run(precisions={"training": {}, "generation": {"x.precision": "int8"}})
    with pytest.raises(SystemExit, match="x.precision: nf4 does not run on this device: RuntimeError: no kernel .*; choose another"):
        run(precisions={"training": {}, "generation": {"y.precision": "int8", "x.precision": "nf4"}})


def test_this_machine_is_measured():
    machine = measured(["auto", "fp32", "bf16", "fp16", "int8", "nf4"])
    assert machine.lacking == {}
    assert machine.memory > 1e9
    assert machine.operations > 1e8
    assert machine.bandwidth > 1e8
