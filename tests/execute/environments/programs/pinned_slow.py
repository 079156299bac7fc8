"""A package's build backend that waits until its file is gone, and fails then."""

import os
import pathlib
import time

pathlib.Path(os.environ["WAIT"] + ".begun").touch()
while pathlib.Path(os.environ["WAIT"]).exists():
    time.sleep(0.05)
raise RuntimeError("killed long ago")
