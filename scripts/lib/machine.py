"""The machine at hand, asked without a model library: processor, cores, memory, GPUs."""

import os
import platform
import re
import subprocess
from pathlib import Path


def machine():
    """processor, cores, memory_bytes, and of each GPU what nvidia-smi calls it."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": gpus(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor():
    found = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.*)", found.read_text(), re.M) if found.exists() else []
    return names[0].strip() if names else platform.processor() or platform.machine()


def gpus():
    """Their names; none where there is no driver to ask."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
