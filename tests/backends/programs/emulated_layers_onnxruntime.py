"""Runs one quantized product in ONNX Runtime and keeps its outcome in `layer`."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def product(code, depth=64):
    constants = {
        "scale": np.float32(1),
        "zero": np.uint8(0),
        "weight": np.full((depth, 32), 127, np.int8),
        "weight_zero": np.int8(0),
        "output_scale": np.float32(depth * 127),
    }
    names = ["codes", "scale", "zero", "weight", "scale", "weight_zero", "output_scale", "zero"]
    graph = helper.make_graph(
        [helper.make_node("QLinearMatMul", names, ["sums"])],
        "layer",
        [helper.make_tensor_value_info("codes", TensorProto.UINT8, [16, depth])],
        [helper.make_tensor_value_info("sums", TensorProto.UINT8, [16, 32])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return float(session.run(None, {"codes": np.full((16, depth), code, np.uint8)})[0].max()) / code


layer = {code: product(code) for code in (255, 127)}
