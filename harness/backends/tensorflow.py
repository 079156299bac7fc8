"""Stock TensorFlow with its oneDNN kernels."""

from __future__ import annotations

from harness.backends import tensorflow_shared, tensorflow_static


class Backend(tensorflow_shared.TensorflowBackend):
    """fp32, bf16, static by Neural Compressor 3.x, and QAT."""

    quantizer = staticmethod(tensorflow_static.quantize_3)
