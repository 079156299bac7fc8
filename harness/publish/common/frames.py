"""Tables of pandas as plain values."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd


def row_dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows, each as column -> value; columns of our tables have names."""
    return cast("list[dict[str, Any]]", frame.to_dict("records"))
