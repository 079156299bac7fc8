"""Whatever a record holds in the place of a config is a config or one line of an error."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.schema import AXES
from harness.errors import UserError
from harness.plan.compose import stored

#: What a file of JSON can hold in the place of any value.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "???", "${a}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Return an axis, and a config of it in which some values are others, and some fields too."""
    axis = draw(st.sampled_from(sorted(AXES)))
    values = json.loads(json.dumps(dataclasses.asdict(AXES[axis](name="x"))))
    for _ in range(draw(st.integers(1, 3))):
        place = values
        inner = [name for name, value in values.items() if isinstance(value, dict) and value]
        if inner and draw(st.booleans()):
            place = values[draw(st.sampled_from(inner))]
        name = draw(st.sampled_from(sorted(place)) | st.text(max_size=8) if place else st.text(max_size=8))
        place[name] = draw(JSON)
    return axis, values


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(changed())
def test_whatever_a_record_holds_is_a_config_or_one_line(given_):
    axis, values = given_
    try:
        assert isinstance(stored(axis, values, "label"), AXES[axis])
    except UserError as error:
        assert str(error)
