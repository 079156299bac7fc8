"""What no metric can mean is the mistake of a field, told by its name."""

from __future__ import annotations

import pytest

from harness.config.schema import TaskConfig
from harness.errors import StageError
from harness.tasks import score as scores

TASK = TaskConfig(name="sentiment", trust_remote_code=True)


@pytest.mark.parametrize("value", [[0.5, 0.5], None, "much"])
def test_a_metric_that_gives_no_number_is_refused(value, monkeypatch) -> None:
    monkeypatch.setattr(scores, "_compute", lambda *_: {"f1": value})
    with pytest.raises(StageError, match=f"metric f1: f1 is no number but {type(value).__name__}") as found:
        scores.score("f1", [0], [0], TASK)
    assert found.value.kind == "bad_config"
