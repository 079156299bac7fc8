"""Stock TensorFlow with its oneDNN kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.backends.base import AUTOTUNE, ExternalTuner
from harness.backends.tensorflow_common import backend, static


class Backend(backend.TensorflowBackend):
    """fp32, bf16, static by Neural Compressor 3.x, and QAT."""

    external_tuners: ClassVar[Mapping[str, ExternalTuner]] = {"inc": ExternalTuner(AUTOTUNE)}
    quantizer = staticmethod(static.quantize_3)
