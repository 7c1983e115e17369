"""The commit of the project's files, where Git knows one."""

import subprocess


def commit(folder):
    """{"commit": hash, or None where the folder is no part of a repository, "changed": tracked files that differ from it}."""
    try:
        git(folder, "ls-files", "--error-unmatch", "Snakefile")  # a repository around an unpacked archive is not the project's
        found = git(folder, "rev-parse", "HEAD").strip()
        changed = git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".").splitlines()
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "changed": []}
    return {"commit": found, "changed": [line[3:] for line in changed]}


def short(found, besides=()):
    """The name to print of what `commit` found: seven digits, with a + where files beside `besides` have changed; None for no commit."""
    return found["commit"] and found["commit"][:7] + "+" * bool(set(found["changed"]) - set(besides))


def git(folder, *arguments):
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
