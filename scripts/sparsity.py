r"""Count the zeros of a model folder, and store the model exactly in less space: a bit for each weight, and the values that are not zero.

    python scripts/sparsity.py --model MODEL_DIR [--at-least PARENT.csv] --output OUT.csv --packed model.bitmask.safetensors \
        --storage STORAGE.json

reads    MODEL_DIR     a Hugging Face model folder (safetensors, in one file or several)
         PARENT.csv    the same table of the model from which this one descends: no layer may have fewer zeros than there
writes   OUT.csv       layer, zeros, weights, sparsity (a fraction); the last rows are `prunable` (all linear layers but the head)
                       and `total` (the whole model, every parameter once)
         *.safetensors the same tensors: those of linear layers (all but the head) as `NAME.bitmask` and `NAME.values` where that is
                       smaller, the others as they are; the metadata's `bitmask` has the shapes. lib/bitmask.py describes the form,
                       and its read_packed gives the tensors back
         STORAGE.json  bytes of both forms on disk (`dense_bytes`, `bitmask_bytes`), the same of the packed tensors alone, and the
                       shares computed from these bytes (`computed_share`)

The packed file is read back and compared with MODEL_DIR, bit for bit, before it is published. It saves space and nothing else: no library
loads it as it is, and once unpacked the model is the dense one, with its size in memory and its speed.
"""

from contextlib import ExitStack
from pathlib import Path

import lib.offline  # noqa: F401

import pandas as pd

from lib.bitmask import read_packed, same_bits, write_packed
from lib.model_folder import tensors
from lib.program import InputError, existing_file, model_folder, parser, program, progress
from lib.publish import whole
from lib.records import write_json
from lib.sparsity import architecture, prunable, sparsity_table


@program
def main(argv=None):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--at-least", type=existing_file)
    for output in ("output", "packed", "storage"):
        command.add_argument(f"--{output}", required=True)
    args = command.parse_args(argv)
    model = architecture(args.model)
    table = sparsity_table(args.model, model)
    if args.at_least:
        check_kept(table, args.model, args.at_least)
    for row in table[-2:].itertuples():
        progress(f"{row.layer}: {row.zeros:,} of {row.weights:,} weights are zero ({row.sparsity:.1%})")
    with ExitStack() as outputs:
        file = outputs.enter_context(whole(args.packed))
        packed = write_packed(file, tensors(args.model), {f"{name}.weight" for name in prunable(model)})
        check_same(args.model, file)
        summary = storage(args.model, file, packed)
        write_json(outputs.enter_context(whole(args.storage)), summary)
        table.to_csv(outputs.enter_context(whole(args.output)), index=False)
    progress(f"{summary['bitmask_bytes']:,} bytes instead of {summary['dense_bytes']:,} ({summary['computed_share']:.1%})")


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


def check_same(folder, file):
    """Raise RuntimeError unless the packed file holds exactly the tensors of the folder."""
    restored = dict(read_packed(file))
    for name, tensor in tensors(folder):
        if name not in restored or not same_bits(tensor, restored.pop(name)):
            raise RuntimeError(f"{name} was not read back as it stands in {folder}")
    if restored:
        raise RuntimeError(f"{min(restored)} was read back and is not in {folder}")


def storage(folder, file, packed):
    """Bytes of the folder's safetensors and of the packed file, and the same of the packed tensors without headers."""
    dense = sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))
    total = {key: sum(tensor[key] for tensor in packed.values()) for key in ("weights", "zeros", "dense_bytes", "bitmask_bytes")}
    return {
        **compared(dense, Path(file).stat().st_size),
        "packed": {
            "tensors": len(packed),
            "weights": total["weights"],
            "zeros": total["zeros"],
            **compared(total["dense_bytes"], total["bitmask_bytes"]),
        },
    }


def compared(dense, bitmask):
    return {"dense_bytes": dense, "bitmask_bytes": bitmask, "computed_share": bitmask / dense if dense else None}


if __name__ == "__main__":
    main()
