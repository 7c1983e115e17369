"""Sentences by short digests; without the libraries that read data sets, which take a second to import."""

from hashlib import blake2b

SEPARATOR = "\x1f"  # between tokens: no text holds it


def digest(data):
    """64 bits of a text or of bytes: sentences are compared by these, so that a million of them take a few megabytes."""
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
