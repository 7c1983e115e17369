"""On PYTHONPATH: every script of the workflow, and the notebook, records when its process started and ended, and its imports in between.

KARGAH_TIMES   folder for the records

Times are of the clock that all processes of a machine share. An import is whatever loads a module, at the script's top or later, as
transformers loads a model's code when it is asked for; one within another counts as the outer one's.
"""

import os
import sys

if os.environ.get("KARGAH_TIMES") and len(sys.orig_argv) > 1 and sys.orig_argv[1].startswith(("scripts/", "bench/notebook.py")):
    import _frozen_importlib as importer
    import _thread
    import atexit
    import json
    import time

    started, imports, depth, main = time.monotonic(), [], 0, _thread.get_ident()
    load = importer._find_and_load  # called for each module that is not loaded yet, by whichever way to import

    def timed(*args):
        global depth
        if _thread.get_ident() != main:
            return load(*args)
        depth += 1
        start = time.monotonic()
        try:
            return load(*args)
        finally:
            depth -= 1
            if not depth:
                imports.append((start, time.monotonic()))

    def leave_times():
        ended = time.monotonic()
        times = {"script": os.path.basename(sys.orig_argv[1]), "started": started, "imports": imports.copy(), "ended": ended}
        with open(os.path.join(os.environ["KARGAH_TIMES"], f"{os.getpid()}-{time.time_ns()}.json"), "w") as file:
            json.dump(times, file)

    importer._find_and_load = timed
    atexit.register(leave_times)
