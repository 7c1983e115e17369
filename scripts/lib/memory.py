"""Training that goes on with smaller batches when memory runs out."""

import gc

from accelerate.utils import find_executable_batch_size

from lib.program import InputError, progress


def with_batch_that_fits(train, batch_size, accumulation, checkpoints, multiple_of=1):
    """Call train(batch_size, accumulation), again with less in a batch while memory runs out; return its result and what was tried.

    checkpoints  the training's, which remember what was tried before it was killed
    multiple_of  of what every batch is to be a multiple

    Each time the batch is halved, or brought down to the next number below that divides the effective batch, and the accumulation
    raised, so that their product stays. `train` has to start from the beginning each time.

    Raises InputError if the smallest batch does not fit.
    """
    effective, tried = batch_size * accumulation, checkpoints.too_large()
    first = largest_batch(tried[-1] // 2, effective, multiple_of) if tried else batch_size

    def smaller():
        size = largest_batch(tried[-1] // 2, effective, multiple_of)
        if not size:
            raise InputError(
                f"memory ran out with {tried[-1]} sentence{'s'[: tried[-1] != 1]} in a batch; expected the smallest batch to fit; "
                "shorten max_length, choose a smaller model, or a larger machine"
            )
        checkpoints.begin_anew(tried)
        progress(f"out of memory with {tried[-1]} in a batch; starting again with {size}, accumulated {effective // size} times")
        return size

    @find_executable_batch_size(starting_batch_size=first, reduce_batch_size_fn=smaller)
    def attempt(size):
        gc.collect()  # what the attempt before left behind: a trainer and its callbacks refer to each other
        tried.append(size)
        return train(size, effective // size)

    return attempt(), tried


def largest_batch(limit, effective, multiple_of=1):
    """The largest batch up to `limit` that divides the effective batch and is a multiple of `multiple_of`; 0 if there is none."""
    return next((size for size in range(limit, 0, -1) if effective % size == 0 and size % multiple_of == 0), 0)
