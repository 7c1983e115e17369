"""A test set cut into shards, each summarized by a job of its own.

Shard k of n has every n-th row from the k-th on: data sets are ordered by source, so that neighbours are alike in length, and shards
of neighbours would take unlike times.
"""

import argparse
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    number: int  # from 1 on
    count: int

    @classmethod
    def of(cls, text):
        """Argument type: K-of-N, as Snakemake names the parts of a scattered job."""
        found = re.fullmatch(r"([1-9]\d*)-of-([1-9]\d*)", text)
        if not found or int(found[1]) > int(found[2]):
            raise argparse.ArgumentTypeError(f"{text} is no shard; expected K-of-N with K from 1 to N, such as 2-of-8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self):
        return f"{self.number}-of-{self.count}"

    def rows(self, rows):
        return rows[self.number - 1 :: self.count]


def interleaved(shards):
    """The rows of all shards, given in their order, as they stood before. Raises ValueError if these cannot be all rows of all shards."""
    count, total = len(shards), sum(map(len, shards))
    if [len(rows) for rows in shards] != [len(range(number, total, count)) for number in range(count)]:
        raise ValueError(f"shards of {', '.join(str(len(rows)) for rows in shards)} rows")
    return [shards[place % count][place // count] for place in range(total)]
