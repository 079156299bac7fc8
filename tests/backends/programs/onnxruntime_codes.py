"""Prints of each static model its weights' largest code and its numbers of scales and zero points."""

import json

import numpy as np
import onnx

found = {}
for name in ARGS[1]:
    graph = onnx.load(f"{ARGS[0]}/{name}/model.onnx").graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = [node.input for node in graph.node if node.op_type == "DequantizeLinear"]
    weights = [names for names in inputs if names[0] in values and values[names[0]].dtype == np.int8]
    activations = [node.input for node in graph.node if node.op_type == "QuantizeLinear"]
    found[name] = {
        "largest": max(int(np.abs(values[names[0]].astype(int)).max()) for names in weights),
        "weights": len(weights),
        "scales": sorted({int(values[names[1]].size) for names in weights}),
        "zero_points": [int(values[names[2]]) for names in activations],
        "activation_scales": [float(values[names[1]]) for names in activations],
    }
print(json.dumps(found))
