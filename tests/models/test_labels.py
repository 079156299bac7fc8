"""A fine-tuned head's outputs and a task's labels: matched by what is sure, refused where it would be a guess."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StageError
from harness.models.labels import match_labels, offer, override, sentence
from harness.plan.catalogue import catalogue
from harness.plan.compose import options
from harness.plan.matrix import parse

#: Names as a dataset may have them: words, numbers as text, marks that Hydra or a shell would read.
NAMES = st.text("abAB01 ,'\"\\\\[]=:#é-_.", min_size=1, max_size=6).filter(str.strip) | st.sampled_from(
    ["true", "null", "01", "1", "1e3", "nan", "a b", "it's", "c\\", "[x]", "yes"]
)


@given(names=st.lists(st.text("abcxyz", min_size=1), min_size=2, max_size=8, unique=True), data=st.data())
def test_outputs_of_the_same_name_are_found_in_any_order_and_case(names, data):
    labels = data.draw(st.permutations([name.upper() for name in names]))
    matching = match_labels(names, labels, "tiny")
    assert matching.how == "name"
    assert [names[index] for index in matching.order] == [label.lower() for label in labels]


@given(names=st.lists(st.text(min_size=1), min_size=2, max_size=6), data=st.data())
def test_an_order_that_the_config_gives_is_always_taken_by_place(names, data):
    labels = data.draw(st.permutations(names) | st.lists(st.text(), min_size=len(names), max_size=len(names)))
    matching = match_labels(names, labels, "tiny", fixed=True)
    assert (matching.how, matching.order) == ("task.labels", tuple(range(len(names))))


@pytest.mark.parametrize(
    ("outputs", "labels", "how", "order"),
    [
        (["LABEL_0", "LABEL_1", "LABEL_2"], ["0", "1", "2"], "index", (0, 1, 2)),
        (["positive", "negative"], ["0", "1"], "index", (0, 1)),
        # Names go before places: a head that calls its outputs by numbers means these.
        (["1", "0"], ["0", "1"], "name", (1, 0)),
        (["positive", "negative"], ["negative", "positive"], "name", (1, 0)),
        (["a", "B", "A"], ["A", "B", "a"], "name", (2, 1, 0)),
        (["Straße", "b"], ["B", "STRASSE"], "name", (1, 0)),
    ],
)
def test_numbers_of_outputs_are_places(outputs, labels, how, order):
    matching = match_labels(outputs, labels, "tiny")
    assert (matching.how, matching.order) == (how, order)


def test_a_regression_has_one_output_and_nothing_to_match():
    assert match_labels(["score"], [], "tiny").order == (0,)


@pytest.mark.parametrize(
    ("outputs", "labels", "offered"),
    [
        # Sorted by letter, the labels of five topics stand in no order that a head was trained in.
        (
            ["LABEL_0", "LABEL_1", "LABEL_2"],
            ["business", "sport", "tech"],
            "task.labels=[business,sport,tech] if LABEL_0 is business, LABEL_1 is sport, LABEL_2 is tech",
        ),
        (["positive", "negative"], ["neg", "pos"], "task.labels=[pos,neg] if positive is pos, negative is neg"),
        (["a", "b"], ["a", "c"], "task.labels=[a,c] if b is c"),
        (["LABEL_0", "LABEL_1"], ["1", "2"], '\'task.labels=["1","2"]\' if LABEL_0 is 1, LABEL_1 is 2'),
        (["A", "a"], ["a", "b"], "task.labels=[a,b] if "),
        (["no", "not sure"], ["no", "unsure"], "task.labels=[no,unsure] if not sure is unsure"),
    ],
)
def test_what_would_be_a_guess_is_refused_with_both_lists_and_the_override(outputs, labels, offered):
    with pytest.raises(StageError) as caught:
        match_labels(outputs, labels, "tiny")
    assert caught.value.kind == "bad_labels"
    assert f"model tiny has {len(outputs)} ({', '.join(outputs)})" in caught.value.message
    assert f"the task {len(labels)} ({', '.join(labels)})" in caught.value.message
    assert offered in caught.value.message


@pytest.mark.parametrize(
    ("outputs", "labels", "fixed", "wanted"),
    [
        (["a", "b"], ["a", "b", "c"], False, "want a model with as many outputs, or rows of 2 classes"),
        (["a", "B", "c"], ["b", "c"], False, "task.labels=[a,b,c]"),
        (["LABEL_0", "LABEL_1", "LABEL_2"], ["0", "2"], False, '\'task.labels=["0","1","2"]\''),
        (["LABEL_0", "LABEL_1", "LABEL_2"], ["x", "y"], False, "name all 3 in the outputs' order as task.labels=[...]"),
        (["a", "b"], [], False, "one number; want a head of one output"),
        (["a"], ["a", "b"], False, "want a model with as many outputs, or rows of 1 classes"),
        # Who has set task.labels is not told to set it.
        (["a", "b", "c"], ["a", "b"], True, "(task.labels); want one label for each output, 3 in all"),
    ],
)
def test_other_numbers_are_refused(outputs, labels, fixed, wanted):
    with pytest.raises(StageError) as caught:
        match_labels(outputs, labels, "tiny", fixed=fixed)
    assert caught.value.kind == "bad_labels"
    assert wanted in caught.value.message


@given(labels=st.lists(NAMES, min_size=2, max_size=5, unique=True))
def test_an_override_that_is_offered_can_be_typed_as_it_stands(labels):
    (argument,) = shlex.split(override(labels))
    fields = {path: values for path, values in parse([argument]).fields["task"].items()}
    assert list(fields["labels"][0]) == labels or [str(label) for label in fields["labels"][0]] == labels


def test_the_schema_takes_an_offered_override_as_text():
    labels = ["01", "true", "a, b", "x: y"]
    (argument,) = shlex.split(override(labels))
    fields = {"source.path": ["/data"], **parse([argument]).fields["task"]}
    (option,) = options(catalogue(), "task", "custom", fields)
    assert option.config.labels == tuple(labels)


@given(outputs=st.lists(NAMES, min_size=2, max_size=6), data=st.data())
def test_an_offer_holds_each_label_once(outputs, data):
    labels = data.draw(st.lists(NAMES, min_size=len(outputs), max_size=len(outputs), unique=True))
    # What follows " if " speaks of the outputs; what stands before it is the override.
    typed = offer(outputs, labels).removeprefix("write the labels in the order of the outputs: ")
    assert any(typed.startswith(override(order)) for order in _permutations(labels))


def test_the_sentence_says_how_and_what_stands_for_what():
    matching = match_labels(["NEG", "pos"], ["pos", "neg"], "tiny")
    said = sentence(matching.to_dict())
    assert said == "labels matched with the head's outputs by name: pos = output 1, neg = output 0 (NEG)"
    assert re.search("by place, as task.labels says", sentence(match_labels("ab", "xy", "m", fixed=True).to_dict()))


def _permutations(labels):
    import itertools

    return map(list, itertools.permutations(labels))
