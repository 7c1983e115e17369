"""Run a command, and write its wall time and the peak memory of its largest process: python bench/cost.py COST.json COMMAND …

A process of its own, since the system counts for a new process what the one that started it held: this one holds next to nothing.
"""

import json
import resource
import subprocess
import sys
import time

start = time.perf_counter()
status = subprocess.run(sys.argv[2:], check=False).returncode
seconds = time.perf_counter() - start
with open(sys.argv[1], "w") as file:
    json.dump({"seconds": seconds, "peak_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}, file)
sys.exit(status)
