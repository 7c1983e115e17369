"""A copy of the project beside this checkout's demo, with its assets, in which the long proofs make the demo in their own ways."""

from demo_run import ROOT
from runs import copy_of_project

OPTIONS = ["--cores", "2", "--configfile", "presets/demo.yaml", "--show-failed-logs"]


def copy_with_assets(folder):
    copy_of_project(folder)
    (folder / "assets").symlink_to(ROOT / "assets")
    return folder
