"""The record of what the cores can do at most."""

from __future__ import annotations

from typing import Annotated

from harness.results.records.kinds.base import Base, Cpus, Rate, Text, Whole, says


class Peak(Base):
    """The fastest 8-bit matrix product of the cores that cells are pinned to."""

    cores: Annotated[Cpus, says("logical CPUs")]
    threads: Annotated[Whole, says("threads that it ran with")]
    int8_per_second: Annotated[
        Rate,
        says(
            "multiplications a second, each with its addition: the best of many products of several sizes and engines"
        ),
    ]
    size: Annotated[Whole, says("rows and columns of the matrices of the fastest")]
    kernel: Annotated[Text, says("the engine and the version of torch of the fastest")]
