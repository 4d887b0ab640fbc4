"""The number type that the language model computes in."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

Precision = Literal["float32", "bfloat16"]


def chosen_precision(wanted: Literal["auto", "float32", "bfloat16"]) -> Precision:
    """Return the type for `language.precision`; auto: bfloat16 without a GPU, on a CPU that multiplies it natively.

    There bfloat16 halves the time. Without these instructions it is slower than float32.
    """
    if wanted != "auto":
        return wanted
    import torch

    gpu: bool = torch.cuda.is_available()
    return "bfloat16" if not gpu and has_native_bfloat16() else "float32"


def has_native_bfloat16() -> bool:
    """Return whether the CPU has AVX-512 BF16 or AMX instructions."""
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(precision: Precision, device: str) -> AbstractContextManager[Any]:
    """Return a context in which matrix products of a float32 model are computed in the type."""
    import torch

    return torch.autocast(device, dtype=torch.bfloat16) if precision == "bfloat16" else nullcontext()
