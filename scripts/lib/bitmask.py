"""Sparse tensors stored exactly: a bit for each weight, and the values of those that are not zero, in one safetensors file.

A packed tensor `NAME` is two tensors in the file: `NAME.bitmask` (uint8, eight weights a byte in row-major order, the first in
the highest bit) and `NAME.values` (in the stored dtype). The file's metadata has the shapes. Zero means that every bit is zero:
a weight of -0.0 counts as a value, so that what is read back is what was packed, bit for bit.
"""

import json

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lib.program import InputError

INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes, for a look at the bits


def write_packed(path, tensors, candidates):
    """Write `tensors` (pairs of name and tensor) to `path`; those named in `candidates` are packed if that makes them smaller.

    Returns what was packed: {name: {"weights", "zeros", "dense_bytes", "bitmask_bytes"}}.
    """
    stored, shapes, packed = {}, {}, {}
    for name, tensor in tensors:
        mask, values = pack(tensor) if name in candidates else (None, None)
        if mask is None or size(mask) + size(values) >= size(tensor):
            stored[name] = tensor
            continue
        stored |= {f"{name}.bitmask": mask, f"{name}.values": values}
        shapes[name] = list(tensor.shape)
        packed[name] = {
            "weights": tensor.numel(),
            "zeros": tensor.numel() - values.numel(),
            "dense_bytes": size(tensor),
            "bitmask_bytes": size(mask) + size(values),
        }
    save_file(stored, path, metadata={"bitmask": json.dumps(shapes)})  # one key: the order of several differs from run to run
    return packed


def read_packed(path):
    """Name and tensor of all that write_packed was given, one at a time."""
    try:
        with safe_open(path, framework="pt") as file:
            shapes = json.loads((file.metadata() or {}).get("bitmask", "null"))
            if shapes is None:
                raise InputError(f"{path}: its metadata has no key bitmask; expected a file that sparsity.py wrote; make it again")
            parts = {f"{name}.{part}" for name in shapes for part in ("bitmask", "values")}
            for name in [*shapes, *(name for name in file.keys() if name not in parts)]:  # noqa: SIM118 (no dict)
                if name in shapes:
                    yield name, unpack(file.get_tensor(f"{name}.bitmask"), file.get_tensor(f"{name}.values"), shapes[name])
                else:
                    yield name, file.get_tensor(name)
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file that can be read: {error}; make it again") from None


def pack(tensor):
    """(bitmask, values) of a tensor."""
    flat = tensor.contiguous().flatten()
    mask = bits(flat) != 0
    return torch.from_numpy(np.packbits(mask.numpy())), flat[mask]


def unpack(mask, values, shape):
    """The tensor of which `pack` made a bitmask and values. Raises InputError if they do not belong together."""
    flat = torch.zeros(shape, dtype=values.dtype).flatten()
    if mask.numel() != -(-flat.numel() // 8):
        raise InputError(f"a bitmask of {mask.numel()} bytes does not fit the {flat.numel()} weights of shape {shape}; make the file again")
    chosen = torch.from_numpy(np.unpackbits(mask.numpy(), count=flat.numel()).astype(bool))
    if int(chosen.sum()) != values.numel():
        raise InputError(f"a bitmask of {int(chosen.sum())} values came with {values.numel()}; make the file again")
    flat[chosen] = values
    return flat.reshape(shape)


def same_bits(one, other):
    """Whether two tensors agree in dtype, shape and every bit; -0.0 is not 0.0."""
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(bits(one), bits(other))


def bits(tensor):
    return tensor.contiguous().view(INTEGERS[tensor.element_size()])


def size(tensor):
    return tensor.numel() * tensor.element_size()
