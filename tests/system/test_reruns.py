"""docs/reruns.md says what each edit runs again: every edit is made in a copy of a finished run, and Snakemake asked for its plan."""

import difflib

from reruns import PAGE, table


def test_the_page_says_what_snakemake_plans(finished):
    found, page = table(finished).splitlines(), PAGE.read_text(encoding="utf-8").splitlines()
    differences = "\n".join(difflib.unified_diff(page, found, "docs/reruns.md", "Snakemake's plans", lineterm="", n=0))
    assert not differences, f"{differences}\nif this is as it should be: make reruns"
