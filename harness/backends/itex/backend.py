"""TensorFlow with Intel's extension as a plug-in, which brings kernels and graph rewriting of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.backends.base import FIT, ExternalTuner
from harness.backends.tensorflow_common import backend, static


class Backend(backend.TensorflowBackend):
    """fp32, bf16, static by Neural Compressor 2.6, and QAT."""

    variables = (*backend.TensorflowBackend.variables, "ITEX_")
    external_tuners: ClassVar[Mapping[str, ExternalTuner]] = {"inc": ExternalTuner(FIT)}
    quantizer = staticmethod(static.quantize_2)
