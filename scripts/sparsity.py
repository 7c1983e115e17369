r"""Count zeros and weights in a model folder, layer by layer and in all.

    python scripts/sparsity.py --model MODEL_DIR --output OUT.csv [--at-least PARENT.csv]

reads    MODEL_DIR    a Hugging Face model folder (safetensors)
         PARENT.csv   the same table of the model from which this one descends: no layer may have fewer zeros than there
writes   OUT.csv      layer, zeros, weights, sparsity (a fraction); the last rows are `prunable` (all linear layers but the head)
                      and `total` (the whole model, every parameter once)
"""

import lib.offline  # noqa: F401

import pandas as pd

from lib.program import InputError, existing_file, model_folder, parser, program, progress
from lib.publish import whole
from lib.sparsity import sparsity_table


@program
def main(argv=None):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--output", required=True)
    command.add_argument("--at-least", type=existing_file)
    args = command.parse_args(argv)
    table = sparsity_table(args.model)
    if args.at_least:
        check_kept(table, args.model, args.at_least)
    for row in table[-2:].itertuples():
        progress(f"{row.layer}: {row.zeros:,} of {row.weights:,} weights are zero ({row.sparsity:.1%})")
    with whole(args.output) as file:
        table.to_csv(file, index=False)


def check_kept(table, folder, parent):
    """Raise InputError if a layer in `table` has fewer zeros than in the table at `parent`."""
    before = pd.read_csv(parent)
    if list(before.layer) != list(table.layer):
        raise InputError(f"{parent}: its layers are not those of {folder}; expected the table of the model that this one descends from")
    lost = table[table.zeros < before.zeros]
    if len(lost):
        row = lost.iloc[0]
        raise InputError(
            f"{folder}: {row.layer} has {row.zeros} zeros, and {before.zeros[row.name]} in {parent}; "
            "expected none to be lost; make the model again with its zeros kept"
        )


if __name__ == "__main__":
    main()
