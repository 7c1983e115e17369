"""Training only those rows of the word embeddings that the data uses.

Most of XLM-R's parameters are its 250,000 word embeddings, of which a corpus uses a few thousand. While the rest is set aside, no
gradient, no moment of the optimizer and no update is computed for it. Rows in use are trained as they would be in the whole table.
Rows not in use stay as they were, while AdamW on the whole table would shrink them by its weight decay.
"""

import torch
from torch import nn


class UsedRows:
    """The rows in use of a model's word embeddings, put in place of the table until `restore`.

    used   ids of subwords in the data; rows of special tokens stay too, and they are the first ones, so that padding keeps its id
    rows   the new row of each subword id, for the collator; ids not in use have the unknown token's
    """

    def __init__(self, model, used, special_ids, unknown):
        whole = model.get_input_embeddings()
        self.ids = torch.tensor(sorted({*used, *special_ids, *range(max(whole.padding_idx, unknown) + 1)}))
        self.rows = torch.full((whole.num_embeddings,), unknown)
        self.rows[self.ids] = torch.arange(len(self.ids))
        self.whole = whole
        part = nn.Embedding(len(self.ids), whole.embedding_dim, padding_idx=whole.padding_idx)
        part.weight.data = whole.weight.data[self.ids].clone()
        model.set_input_embeddings(part)

    def restore(self, model):
        """Write the trained rows back into the whole table, and put it in its place."""
        part = model.get_input_embeddings()
        self.whole.to(part.weight.device).weight.data[self.ids] = part.weight.data
        model.set_input_embeddings(self.whole)
