"""Prints the largest code, and the numbers of scales, of the weights of products."""

import json

import numpy as np
import openvino


def above(node):
    while node.get_type_name() in ("Multiply", "Subtract", "Convert"):
        yield node
        node = node.input_value(0).get_node()
    yield node


found = {}
for name in ARGS[1]:
    largest, scales = [], []
    for node in openvino.Core().read_model(f"{ARGS[0]}/{name}/model.xml").get_ops():
        chain = list(above(node.input_value(1).get_node())) if node.get_type_name() == "MatMul" else []
        if len(chain) > 1 and chain[-1].get_type_name() == "Constant" and chain[-1].data.dtype == np.int8:
            largest.append(int(np.abs(chain[-1].data.astype(int)).max()))
            scales.append(int(np.prod(chain[0].input_value(1).get_node().get_output_shape(0))))
    found[name] = {"largest": max(largest), "weights": len(largest), "scales": sorted(set(scales))}
print(json.dumps(found))
