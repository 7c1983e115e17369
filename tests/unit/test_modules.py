"""The files that a script is made of: as Python's own parser finds them."""

import ast

import pytest

from lib.modules import SCRIPTS, files_of_script


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_every_module_that_a_script_imports_is_among_its_files(script):
    found = files_of_script(SCRIPTS / script)
    assert found[0] == SCRIPTS / script
    assert set(found) == closure(SCRIPTS / script)


def closure(path, seen=frozenset()):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {SCRIPTS / f"{name.replace('.', '/')}.py" for name in names}
    files |= {SCRIPTS / "lib" / "__init__.py" for name in names if name.partition(".")[0] == "lib"}
    seen = seen | {path}
    for file in files:
        if file.is_file() and file not in seen:
            seen = closure(file, seen)
    return seen


def test_how_an_import_may_be_written(tmp_path):
    script = tmp_path / "script.py"
    in_a_function = "    from lib import (  # one line each\n        labels,\n        words as w,\n    )\n"
    script.write_text(f"import os, lib.records as r\n\n\ndef f():\n{in_a_function}")
    assert {path.name for path in files_of_script(script)} >= {"script.py", "__init__.py", "records.py", "labels.py", "words.py"}
