"""ONNX Runtime's sessions, as every part of the backend opens them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness.backends.common import export_network

MODEL = "model.onnx"


def import_onnxruntime() -> Any:
    """Import onnxruntime without its reports of use, which a thread beside the measurement would send."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when the library is loaded
    import onnxruntime

    return onnxruntime


def session(file: Path, profile: Path | None = None) -> Any:
    """Load a model; `profile` is the beginning of the name of a file that tells which kernels ran."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = export_network.threads()
    options.inter_op_num_threads = 1
    # Spinning threads take the cores from each other on a shared host.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
