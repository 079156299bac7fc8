"""What the TensorFlow backends refuse, and the integers of their INT8 product, without any framework."""

from __future__ import annotations

import dataclasses
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.approaches import mapping
from harness.backends.base import backend_class
from harness.backends.tensorflow_common import qat
from harness.backends.tensorflow_common.backend import kept_in_float
from harness.backends.tensorflow_common.encoder import ARCHITECTURES, read_encoder, read_safetensors
from harness.errors import StageError
from tests.backends.tensorflow_env import NAMES, PER_TENSOR, cells
from tests.backends.torch_tiny import make_cell


@pytest.mark.parametrize("backend", NAMES)
def test_every_cell_that_is_run_is_supported_without_importing_a_framework(backend):
    assert {name: backend_class(backend).supports(cell) for name, cell in cells(backend).items()} == {
        name: None for name in cells(backend)
    }
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(
    ("method", "fields", "wanted"),
    [
        ("static", {"weight": {}}, "approach.weight.granularity=per_channel, want per_tensor"),
        ("static", {"weight": {"dtype": "uint8"}}, "approach.weight.dtype=uint8, want int8"),
        ("qat", {"weight": {"scheme": "affine"}}, "approach.weight.scheme=affine, want symmetric"),
        ("qat", {"weight": {"observer": "kl"}}, "approach.weight.observer=kl, want minmax"),
        ("static", {"weight": {"reduce_range": True}}, "approach.weight.reduce_range=True, want False"),
        ("static", {"activation": {"dtype": "int8"}}, "approach.activation.dtype=int8, want uint8"),
        ("static", {"activation": {"scheme": "symmetric"}}, "approach.activation.scheme=symmetric, want affine"),
        ("qat", {"activation": {"granularity": "per_channel"}}, "approach.activation.granularity=per_channel"),
        ("qat", {"activation": {"reduce_range": True}}, "approach.activation.reduce_range=True, want False"),
        ("static", {"activation": {"observer": "histogram"}}, "approach.activation.observer=histogram, want minmax"),
        ("static", {"activation": {"observer": "moving_average"}}, "approach.activation.observer=moving_average"),
        ("qat", {"activation": {"observer": "percentile"}}, "want minmax or moving_average"),
        ("dynamic", {}, "no dynamic quantization on TensorFlow"),
        ("weight_only", {}, "method weight_only does not exist"),
        ("none", {"fallback": ("classifier",)}, "approach.fallback"),
        ("none", {"precision": "bf16"}, "method none executes fp32, not bf16"),
        ("none", {"engine": "x86"}, "engine x86"),
        ("none", {"architecture": "vit"}, "architecture vit"),
    ],
)
def test_what_cannot_be_applied_is_refused_in_one_line_that_names_it(method, fields, wanted):
    quantizers = {"weight": {**PER_TENSOR, **fields["weight"]} if fields.get("weight") else fields.get("weight")}
    if "weight" not in fields:
        quantizers = {"weight": PER_TENSOR}
    cell = make_cell("tensorflow", method, **{**fields, **quantizers})
    reasons = {backend_class(name).supports(cell) for name in NAMES}
    assert len(reasons) == 1
    reason = reasons.pop()
    assert wanted in reason
    assert "\n" not in reason


def test_unknown_options_and_tuners_are_refused():
    cell = make_cell("itex", "none")
    supports = backend_class("itex").supports
    optioned = dataclasses.replace(cell, backend=dataclasses.replace(cell.backend, options={"spin": True}))
    tuned = dataclasses.replace(cell, tuner=dataclasses.replace(cell.tuner, name="sensitivity"))
    unnamed = dataclasses.replace(cell, tuner=dataclasses.replace(cell.tuner, name="inc"))
    assert "backend.options.spin" in supports(optioned)
    assert "tuner sensitivity" in supports(tuned)
    assert "tuner.strategy=None" in supports(unnamed)


@given(
    seed=st.integers(0, 10_000),
    low=st.floats(-50, 0.0),
    width=st.floats(0.1, 100),
    magnitude=st.floats(1e-3, 10),
)
def test_integer_product_is_the_product_of_the_rounded_numbers(seed, low, width, magnitude):
    """Held against the published mapping: both sides are rounded by `harness.approaches.mapping` and multiplied."""
    generator = np.random.default_rng(seed)
    states = generator.uniform(low - 1, low + width + 1, (5, 16))
    kernel, bias = generator.normal(0, magnitude, (7, 16)), generator.normal(0, magnitude, 7)
    high = low + width
    _, _, scale, zero = qat.nudged(low, high)
    codes, offsets, limit = qat.integers(kernel, bias, scale, zero)

    activations = mapping.affine(low, high, mapping.codes("uint8"))
    assert scale == pytest.approx(float(activations.scale))
    inputs = mapping.quantize(states, mapping.Mapping(np.float64(scale), np.int64(zero), mapping.codes("uint8")))
    weight_scale = limit / 127
    got = (inputs @ codes.astype(np.int64) + offsets) * scale * weight_scale

    rounded = weight_scale * np.rint(kernel / weight_scale)
    wanted = (scale * (inputs - zero)) @ rounded.T + bias
    assert np.abs(got - wanted).max() <= 0.51 * scale * weight_scale
    assert codes.dtype == np.int8
    assert np.abs(codes.astype(int)).max() == 127


@given(low=st.floats(-1e3, 1e3), high=st.floats(-1e3, 1e3))
def test_nudged_range_gives_zero_a_code_and_keeps_its_width(low, high):
    low, high = min(low, high), max(low, high)
    least, most, scale, zero = qat.nudged(low, high)
    assert 0 <= zero <= 255
    assert least + zero * scale == pytest.approx(0, abs=1e-9)
    assert most - least == pytest.approx(max(max(high, 0) - min(low, 0), qat.NARROWEST))
    assert abs(least - min(low, 0)) <= 0.51 * scale


def _safetensors(folder, header: bytes, data: bytes):
    path = folder / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def test_safetensors_are_read_as_the_format_says(tmp_path):
    header = (
        b'{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},'
        b'"b":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]},"c":{"dtype":"I64","shape":[1],"data_offsets":[10,18]}}'
    )
    path = _safetensors(tmp_path, header, struct.pack("<ff", 1.5, -2.0) + b"\x80\x3f" + struct.pack("<q", 7))
    arrays = read_safetensors(path)
    assert {name: values.tolist() for name, values in arrays.items()} == {"a": [[1.5], [-2.0]], "b": [1.0], "c": [7]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"\0" * 4),
        (b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}', b"\0" * 8),
        (b'{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}', b"\0" * 8),
        (b"rubbish", b""),
        (b"[]", b""),
    ],
    ids=["short", "shape", "type", "text", "list"],
)
def test_a_damaged_checkpoint_is_named(tmp_path, header, data):
    path = _safetensors(tmp_path, header, data)
    with pytest.raises(StageError, match=str(path)) as caught:
        read_safetensors(path)
    assert caught.value.kind == "damaged"


def test_an_empty_checkpoint_is_damaged(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(StageError) as caught:
        read_safetensors(tmp_path / "model.safetensors")
    assert caught.value.kind == "damaged"


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ('{"model_type": "robert"}', "did you mean 'roberta'"),
        ('{"model_type": "bert", "hidden_act": "silu"}', "activation 'silu'"),
        ('{"model_type": "bert", "position_embedding_type": "relative_key"}', "relative_key"),
        ("not json", "no valid JSON"),
    ],
)
def test_a_config_that_is_not_ported_is_refused(tmp_path, config, wanted):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(StageError, match=wanted):
        read_encoder(tmp_path)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(StageError, match=r"config.json: no such file"):
        read_encoder(tmp_path)


def test_fallback_takes_a_module_with_all_below_it_and_refuses_unknown_names():
    first = "bert.encoder.layer.0."
    names = [f"{first}attention.self.query", f"{first}attention.output.dense", f"{first}output.dense", "classifier"]
    encoder = SimpleNamespace(names=ARCHITECTURES["bert"], dense_names=names)
    assert kept_in_float(encoder, ("encoder.layer.0.attention", "classifier")) == [*names[:2], "classifier"]
    assert kept_in_float(encoder, ("bert.encoder.layer.0.output",)) == [names[2]]
    with pytest.raises(StageError, match="did you mean 'classifier'"):
        kept_in_float(encoder, ("classifyer",))
