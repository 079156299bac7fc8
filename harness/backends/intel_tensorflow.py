"""Intel's own build of TensorFlow, whose oneDNN kernels run on OpenMP threads."""

from __future__ import annotations

from harness.backends import tensorflow_shared, tensorflow_static


class Backend(tensorflow_shared.TensorflowBackend):
    """fp32, bf16, static by Neural Compressor 2.6, and QAT."""

    quantizer = staticmethod(tensorflow_static.quantize_2)
