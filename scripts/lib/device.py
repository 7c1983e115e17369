"""The hardware at hand: device, the precisions it can run, and peak memory."""

import resource

import torch

from lib.program import InputError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def device():
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name():
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0] if names else 'CPU'}, {torch.get_num_threads()} threads"


def has_bf16():
    """Whether bf16 arithmetic is in the hardware; emulated bf16 is slower than fp32."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    capabilities = torch.backends.cpu.get_cpu_capability()
    return "AMX" in capabilities or torch.cpu._is_avx512_bf16_supported()


def resolve_precision(precision):
    """`auto` is bf16 where the hardware has it, else fp16 on a GPU and fp32 on a CPU; anything else stays as it is."""
    if precision != "auto":
        if precision == "fp16" and device().type == "cpu":
            raise InputError("precision fp16: a CPU has no fast half precision; expected a GPU; choose bf16, fp32 or auto")
        return precision
    if has_bf16():
        return "bf16"
    return "fp16" if torch.cuda.is_available() else "fp32"


def peak_memory():
    """Peak bytes since the process started: of the GPU's allocator where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
