"""What is the same, byte for byte, in two runs of one configuration."""

from fnmatch import fnmatch

from lib.manifest import files_of

TIMED = ("assets/*", "*speed.json", "*training_log.jsonl")  # the files of a run that hold timings, dates or hosts
SHOWING = ("submission/*", "report/report.*", "report/figures/*_costs.*")  # those that show them


def of_run(folder):
    """The paths of the files of a run, in its folder under results, without those that show timings."""
    paths = [path.as_posix() for path in files_of(folder)]
    return [path for path in paths if not any(fnmatch(path, pattern) for pattern in SHOWING)]


def is_timed(path):
    return any(fnmatch(path, pattern) for pattern in TIMED)


def different(one, two):
    """The files of a run that are not as those of another."""
    return [path for path in of_run(one) if not is_timed(path) and (one / path).read_bytes() != (two / path).read_bytes()]
