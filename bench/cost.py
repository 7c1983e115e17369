"""Run a command, and write its wall seconds, processor seconds and the peak of its largest process: bench/cost.py COST.json COMMAND …

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
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    cost = {"seconds": seconds, "processor_seconds": used.ru_utime + used.ru_stime, "peak_bytes": used.ru_maxrss * 1024}
    json.dump(cost, file)
sys.exit(status)
