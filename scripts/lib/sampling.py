"""The order in which a training sees its rows."""

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class GroupedByLength(Sampler):
    """Numbers of rows at random, those that one step of the optimizer sees alike in length (as transformers groups them).

    The order of an epoch follows from the seed and the epoch alone: it is the same in every process, and in a training that resumes.

    lengths   of the rows
    trainer   a Trainer, which knows the seed, the rows of a step, and how far it is
    """

    def __init__(self, lengths, trainer):
        self.lengths, self.trainer = lengths, trainer

    def __len__(self):
        return len(self.lengths)

    def __iter__(self):
        args = self.trainer.args
        rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        generator = torch.Generator().manual_seed(args.seed + int(self.trainer.state.epoch))
        return iter(get_length_grouped_indices(self.lengths, rows, generator=generator))
