"""A package's build backend that leaves a trace when its code runs."""

import os
from pathlib import Path

(Path(os.environ["RAN"]) / "ran").write_text("the package's own code")


def prepare_metadata_for_build_wheel(folder, settings=None):
    info = Path(folder) / "tiny_rows-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny_rows\nVersion: 1.0\n")
    return info.name
