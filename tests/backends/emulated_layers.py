"""One layer whose exact answer is known, in each runtime: what a host's arithmetic makes of sums of 8-bit codes.

All activations have one code and all weights 127, so that each output is depth x code x 127. A kernel without VNNI adds
two products in 16 bits, which saturate: 2 x 255 x 127 does not fit, and 2 x 127 x 127 does.

Each text prints, or sets as `layer`, code -> what was found, as a share of the exact answer.
"""

DEPTH = 64

ONNXRUNTIME = """
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper

def product(code, depth=64):
    constants = {"scale": np.float32(1), "zero": np.uint8(0), "weight": np.full((depth, 32), 127, np.int8),
                 "weight_zero": np.int8(0), "output_scale": np.float32(depth * 127)}
    names = ["codes", "scale", "zero", "weight", "scale", "weight_zero", "output_scale", "zero"]
    graph = helper.make_graph(
        [helper.make_node("QLinearMatMul", names, ["sums"])], "layer",
        [helper.make_tensor_value_info("codes", TensorProto.UINT8, [16, depth])],
        [helper.make_tensor_value_info("sums", TensorProto.UINT8, [16, 32])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return float(session.run(None, {"codes": np.full((16, depth), code, np.uint8)})[0].max()) / code

layer = {code: product(code) for code in (255, 127)}
"""

OPENVINO = """
import numpy as np, openvino
from openvino import opset13

def product(code, depth=64):
    codes = opset13.parameter([16, depth], np.float32)
    low, high = opset13.constant(np.float32(0)), opset13.constant(np.float32(255))
    quantized = opset13.fake_quantize(codes, low, high, low, high, 256)
    weight = opset13.convert(opset13.constant(np.full((32, depth), 127, np.int8)), "f32")
    weight = opset13.multiply(weight, opset13.constant(np.float32(1)))
    model = openvino.Model([opset13.matmul(quantized, weight, False, True)], [codes], "layer")
    compiled = openvino.Core().compile_model(model, "CPU")
    return float(compiled(np.full((16, depth), code, np.float32))[0].max()) / (depth * code * 127)

layer = {code: product(code) for code in (255, 127)}
"""

TORCH = """
import torch
from torch.ao.nn import quantized

def product(engine, code, depth=64):
    torch.backends.quantized.engine = engine
    linear = quantized.Linear(depth, 32)
    weight = torch.full((32, depth), 127, dtype=torch.int8)
    linear.set_weight_bias(torch._make_per_tensor_quantized_tensor(weight, 1.0, 0), None)
    linear.scale, linear.zero_point = float(depth * 127), 0
    codes = torch._make_per_tensor_quantized_tensor(torch.full((16, depth), code, dtype=torch.uint8), 1.0, 0)
    return float(linear(codes).dequantize().max()) / (depth * code * 127)

layer = {engine: {code: product(engine, code) for code in (255, 127)} for engine in ("onednn", "fbgemm")}
"""
