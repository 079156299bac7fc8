"""TensorFlow with Intel's extension as a plug-in, which brings kernels and graph rewriting of its own."""

from __future__ import annotations

from harness.backends import tensorflow_shared, tensorflow_static


class Backend(tensorflow_shared.TensorflowBackend):
    """fp32, bf16, static by Neural Compressor 2.6, and QAT."""

    variables = (*tensorflow_shared.TensorflowBackend.variables, "ITEX_")
    quantizer = staticmethod(tensorflow_static.quantize_2)
