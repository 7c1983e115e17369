"""The precision that suits the hardware."""

import pytest
import torch

from lib import device
from lib.program import InputError


def card(monkeypatch, capability):
    """Let torch see a card of a compute capability; None: no card."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)


def processor(monkeypatch, capability, bf16):
    card(monkeypatch, None)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((8, 9), "bf16"), ((9, 0), "bf16")],  # V100, T4, A100, L4, H100
)
def test_a_card_without_bf16_computes_in_fp16(monkeypatch, capability, precision):
    card(monkeypatch, capability)
    assert device.resolve_precision("auto") == precision
    assert device.device().type == "cuda"


@pytest.mark.parametrize(
    ("capability", "bf16", "precision"), [("AVX2", False, "fp32"), ("AVX512", True, "bf16"), ("AVX512_AMX", False, "bf16")]
)
def test_a_processor_without_bf16_computes_in_fp32(monkeypatch, capability, bf16, precision):
    processor(monkeypatch, capability, bf16)
    assert device.resolve_precision("auto") == precision


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_what_is_named_stays(monkeypatch, precision):
    card(monkeypatch, (7, 5))
    assert device.resolve_precision(precision) == precision


def test_fp16_arithmetic_of_training_is_refused_on_a_processor(monkeypatch):
    card(monkeypatch, None)
    with pytest.raises(InputError, match="precision fp16: .* choose bf16, fp32 or auto"):
        device.resolve_precision("fp16")
