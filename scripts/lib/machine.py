"""The machine at hand, asked without a model library: processor, cores, memory, GPUs."""

import os
import platform
import re
import subprocess
from pathlib import Path

# glibc gives large tensors back to the system after every step, and first touches are slow; read at the start of a process only
ALLOCATOR = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "1000000000"}


def machine():
    """processor, cores, memory_bytes, and of each GPU what nvidia-smi calls it."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "gpus": gpus(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def memory_bytes(root=Path("/")):
    """The machine's memory, or what this process's control group (version 1 or 2), as of a container, allows if that is less."""
    allowed = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, group = line.split(":", 2)
        if controllers in ("", "memory"):
            place, limit = ("memory", "memory.limit_in_bytes") if controllers else ("", "memory.max")
            top = root / "sys/fs/cgroup" / place
            for folder in (group, *map(str, Path(group).parents)):  # a container sees its own group as the top
                file = top / folder.lstrip("/") / limit
                if file.exists() and (text := file.read_text().strip()).isdigit():
                    allowed.append(int(text))
    return min(allowed)


def free_memory_bytes(file=Path("/proc/meminfo")):
    """What the machine's programs leave to others, as Linux estimates it (MemAvailable); None where the system does not say."""
    found = re.findall(r"^MemAvailable: +(\d+) kB$", file.read_text(), re.M) if file.exists() else []
    return int(found[0]) * 1024 if found else None


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
