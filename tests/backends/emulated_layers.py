"""One layer whose exact answer is known, in each runtime: what a host's arithmetic makes of sums of 8-bit codes.

All activations have one code and all weights 127, so that each output is depth x code x 127. A kernel without VNNI adds
two products in 16 bits, which saturate: 2 x 255 x 127 does not fit, and 2 x 127 x 127 does.

Each text prints, or sets as `layer`, code -> what was found, as a share of the exact answer.
"""

from tests.backend_env import program_text

DEPTH = 64

ONNXRUNTIME = program_text(__file__, "emulated_layers_onnxruntime")

OPENVINO = program_text(__file__, "emulated_layers_openvino")

TORCH = program_text(__file__, "emulated_layers_torch")
