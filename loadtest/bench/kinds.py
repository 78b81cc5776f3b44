"""Classify the processor into the kinds with separate goals."""

from collections.abc import Collection
from enum import StrEnum


class Kind(StrEnum):
    """A kind of processor.

    Its name is that of the measured processor.
    """

    ZEN3 = "without AVX512-VNNI, as Zen 3"
    ICE_LAKE = "with AVX512-VNNI and without AVX512-BF16, as Ice Lake"
    ZEN4 = "with AVX512-VNNI and AVX512-BF16, as Zen 4"
    ZEN5 = "with AVX512-VNNI and AVX-VNNI, as Zen 5"


def kind_of(instruction_sets: Collection[str]) -> Kind:
    """Return the kind of a processor with these instruction sets.

    AVX-VNNI alone does not matter here: TensorFlow's float32 products need AVX-512 for their speed.
    """
    if "avx512_vnni" not in instruction_sets:
        return Kind.ZEN3
    if "avx_vnni" in instruction_sets:
        return Kind.ZEN5
    return Kind.ZEN4 if "avx512_bf16" in instruction_sets else Kind.ICE_LAKE
