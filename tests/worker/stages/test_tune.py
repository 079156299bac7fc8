"""The stage `tune` on a real network: what it tells, what it saves, and that it goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.backend_env import environment_python, program_text, run_in

ROWS = 320

_STAGE = program_text(__file__, "tune_stage")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    base: Path = tmp_path_factory.mktemp("tune")
    return run_in(environment_python("torch"), _STAGE, base, ROWS)


@pytest.mark.backend("torch")
@pytest.mark.parametrize("name", ["sensitivity", "basic", "dynamic", "bf16"])
def test_the_artefact_is_the_chosen_trial(found, name):
    result, told = found[name]["result"], found[name]["told"]
    assert [trial["index"] for trial in told] == list(range(len(told)))
    assert [trial | {"reused": True} for trial in told] == result["trials"]
    chosen = told[result["tuned"]["chosen"]]
    assert chosen["status"] == result["tuned"]["status"]
    assert result["fallback"] == chosen["fallback"] and not set(chosen["fallback"]) & set(found[name]["quantized"])
    assert len(found[name]["quantized"]) + len(chosen["fallback"]) == 14
    assert found[name]["in bf16"] == (sorted(chosen["fallback"]) if name == "bf16" else [])
    if chosen["rows"] == ROWS:
        # The stage `evaluate`, in another way of loading, sees the same outcome on every row.
        assert found[name]["accuracy"] == pytest.approx(chosen["metric"]["value"], abs=1e-12)


@pytest.mark.backend("torch")
def test_what_passes_is_chosen_and_what_fails_was_tried_before_it(found):
    told = found["sensitivity"]["told"]
    assert found["sensitivity"]["result"]["tuned"]["status"] == "ok"
    assert [trial["status"] for trial in told] == ["inaccurate"] * (len(told) - 1) + ["ok"]
    assert len(told) > 1 and found["sensitivity"]["accuracy"] == 1.0


@pytest.mark.backend("torch")
def test_where_nothing_passes_the_closest_is_saved_and_says_so(found):
    result, told = found["basic"]["result"], found["basic"]["told"]
    assert result["tuned"]["reason"] == "max_trials" and len(told) == 6
    assert result["tuned"]["status"] == "inaccurate"
    differences = [trial["metric"]["difference"] for trial in told]
    assert differences[result["tuned"]["chosen"]] == max(differences)


@pytest.mark.backend("torch")
def test_a_tuning_that_has_its_history_evaluates_nothing_again(found):
    again = found["again"]
    assert again["untouched"] and all(trial["reused"] for trial in again["told"])
    assert [trial["recipe_digest"] for trial in again["told"]] == [
        trial["recipe_digest"] for trial in found["sensitivity"]["told"]
    ]
    assert again["quantized"] == found["sensitivity"]["quantized"]


@pytest.mark.backend("torch")
def test_where_there_are_enough_rows_the_tuner_sees_half_of_them(found):
    result = found["held out"]["result"]
    seen = result["tuned"]["seen"]
    assert len(set(seen)) == result["tuned"]["rows"] == ROWS // 2
    # A trial ends as soon as it cannot keep the criterion any more.
    assert all(trial["rows"] <= ROWS // 2 for trial in result["trials"])
    assert (found["dynamic"]["result"]["tuned"]["rows"], found["dynamic"]["result"]["tuned"]["seen"]) == (ROWS, None)


@pytest.mark.backend("torch")
def test_no_time_and_no_tuner_are_one_typed_line(found):
    assert found["no time"]["kind"] == "timeout" and "no time for a trial" in found["no time"]["message"]
    assert (
        found["refused"]["kind"] == "bad_config" and "tunes methods dynamic and static" in found["refused"]["message"]
    )
