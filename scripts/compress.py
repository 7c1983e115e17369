r"""Store a pruned model exactly in less space: a bit for each weight of its linear layers, and the values that are not zero.

    python scripts/compress.py --model MODEL_DIR --output model.bitmask.safetensors --summary storage.json

reads    MODEL_DIR     a Hugging Face model folder (safetensors, in one file or several)
writes   *.safetensors the same tensors: those of linear layers (all but the head) as `NAME.bitmask` and `NAME.values` where that is
                       smaller, the others as they are; the metadata's `bitmask` has the shapes. lib/bitmask.py describes the form,
                       and its read_packed gives the tensors back
         storage.json  bytes of both forms on disk (`dense_bytes`, `bitmask_bytes`), the same of the packed tensors alone, and the
                       shares computed from these bytes (`computed_share`)

The file is read back and compared with MODEL_DIR, bit for bit, before it is published. It saves space and nothing else: no library
loads it as it is, and once unpacked the model is the dense one, with its size in memory and its speed.
"""

from pathlib import Path

import lib.offline  # noqa: F401

from lib.bitmask import read_packed, same_bits, write_packed
from lib.model_folder import tensors
from lib.program import model_folder, parser, program, progress
from lib.publish import whole
from lib.records import write_json
from lib.sparsity import architecture, prunable


@program
def main(argv=None):
    command = parser(__doc__)
    command.add_argument("--model", required=True, type=model_folder)
    command.add_argument("--output", required=True)
    command.add_argument("--summary", required=True)
    args = command.parse_args(argv)
    candidates = {f"{name}.weight" for name in prunable(architecture(args.model))}
    with whole(args.output) as file, whole(args.summary) as summary_file:
        packed = write_packed(file, tensors(args.model), candidates)
        check_same(args.model, file)
        summary = storage(args.model, file, packed)
        write_json(summary_file, summary)
    progress(f"{summary['bitmask_bytes']:,} bytes instead of {summary['dense_bytes']:,} ({summary['computed_share']:.1%})")


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
