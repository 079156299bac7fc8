"""Each number of the schema has a lowest and a highest value, each text and mapping a form, and they are kept to."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import shlex
import typing
from collections.abc import Iterator

import pytest

from harness.backends.base import backend_class
from harness.config.bounds import Domain, domain_of
from harness.config.schema import AXES, EnvironmentConfig, SplitConfig, field_at
from harness.errors import StageError, UserError
from harness.plan.catalogue import catalogue
from harness.plan.compose import options
from harness.plan.domains import check_domains
from harness.plan.matrix import MOST_CELLS, MOST_OPTIONS, make_plan

SHIPPED = catalogue()


#: Fields that have no meaning alone, and what they need beside them.
TOGETHER = {
    "protocol.target_half_width": {"budget_seconds": 60.0},
    "protocol.budget_seconds": {"target_half_width": 0.1},
    "task.split.held_out": {"split": SplitConfig(evaluation="test")},
}


def fields(schema: type, prefix: str) -> Iterator[tuple[str, str, Domain]]:
    """Yield the path, the type and the domain of each field of a schema."""
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        path = f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(hints[field.name]):
            yield from fields(hints[field.name], path)
        else:
            yield path, str(field.type), domain_of(field)


EVERY = [one for axis, schema in AXES.items() for one in fields(schema, axis)]
NUMBERS = [(path, domain) for path, kind, domain in EVERY if re.search(r"\b(int|float)\b", kind)]


@pytest.mark.parametrize(("path", "domain"), NUMBERS, ids=[path for path, _ in NUMBERS])
def test_each_number_is_bounded_on_both_sides(path: str, domain: Domain) -> None:
    assert domain.low is not None and domain.high is not None
    assert math.isfinite(domain.low) and math.isfinite(domain.high) and domain.low < domain.high


@functools.cache
def composed(axis: str) -> object:
    name = {"task": "sentiment", "model": "minilm"}.get(axis, SHIPPED.names(axis)[0])
    (option,) = options(SHIPPED, axis, name, {})
    return option.config


def with_value(config: object, path: str, value: object) -> object:
    """Return a config with another value in the field that a path below it names."""
    field, _, rest = path.partition(".")
    return dataclasses.replace(config, **{field: with_value(getattr(config, field), rest, value) if rest else value})


@pytest.mark.parametrize(("path", "domain"), NUMBERS, ids=[path for path, _ in NUMBERS])
def test_no_number_outside_its_bounds_is_taken(path: str, domain: Domain) -> None:
    axis, _, field = path.partition(".")
    kind = str(field_at(path).type)
    outside = [domain.low - 1, math.ceil(domain.high) + 1, 10**30]
    for value in [*outside, math.nan, math.inf, -math.inf] if "float" in kind else outside:
        config = with_value(composed(axis), field, (value,) if "tuple" in kind else value)
        with pytest.raises(UserError, match=rf"^{path}=.*: want (at least|at most|a finite|a number of 64)"):
            check_domains(config, axis)


@pytest.mark.parametrize(("path", "domain"), NUMBERS, ids=[path for path, _ in NUMBERS])
def test_a_bound_itself_is_taken(path: str, domain: Domain) -> None:
    axis, _, field = path.partition(".")
    config = dataclasses.replace(composed(axis), **TOGETHER.get(path, {}))
    for value in (domain.low, domain.high):
        check_domains(with_value(config, field, (value,) if "tuple" in str(field_at(path).type) else value), axis)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["protocol.blocks=10000000"], "protocol.blocks=10000000: want at most 1000"),
        (["protocol.latency_batch_size=100000000000000"], "want at most 65536"),
        (["protocol.latency_batch_size=1e14"], "want a whole number"),
        (["protocol.blocks=2.5"], "want a whole number"),
        (["protocol.blocks=true"], "want a whole number"),
        (["protocol.huge_pages=5"], "protocol.huge_pages=5: want true or false"),
        (["model.trust_remote_code=2"], "model.trust_remote_code=2: want true or false"),
        (["task.labels=[[a],b]"], "task.labels"),
        (["protocol.measure_seconds=" + "9" * 4000], "want a number of 64 bits"),
        (["protocol.blocks=" + "9" * 4000], "protocol.blocks=999"),
        (["host.cores=[9999]"], "host.cores=9999: want at most 8191"),
        (["host.cores=[0,0]"], "CPU 0 is there twice"),
        (["host.cores=[]"], "want at least one logical CPU"),
        (["host.threads=99999"], "want at most 8192"),
        (["backend.environment=nope"], "backend.environment=nope: want one of "),
        (["model.environment=trch"], "did you mean 'torch'"),
        (["task.labels=[a,a]"], "'a' is there twice"),
        (["task.labels=[a]"], "task.labels: want 2 or more, found 1"),
        (["task.labels=[]"], "task.labels: want 2 or more, found 0"),
        (["task.split.limit_train=-5"], "want at least 1"),
        (["task.split.limit_evaluation=-5"], "want at least 1"),
        (["task.split.seed=-1"], "want at least 0"),
        (["task.text="], "task.text=: want the name of a column"),
        (["task.label=' '"], "want the name of a column"),
        (["task.text_pair="], "task.text_pair=: want the name of a column"),
        (["task.split.held_out=0"], "or task.split.held_out=ROWS, which takes them from the training rows"),
        (["task.options={a: nan}"], "task.options.a=nan: want a finite number"),
        (["task.options={a: " + "[" * 12 + "]" * 12 + "}"], "nested deeper than 10 levels"),
        (["task.options={a: 99999999999999999999}"], "want a number of 64 bits"),
        ([r"backend.variables={A\=B: x}"], "'A=B' is no variable"),
        (["backend.isa_variables={avx2: {A B: x}}"], "'A B' is no variable"),
        (["task.text=${oc.env:HARNESS_UNSET_VARIABLE}"], "task.text: "),
        (["task.text=${.nope}"], "task.text: "),
        (["task.text=${.text}"], "task."),
        (["task.source=null"], "task.source=null: want a mapping"),
        (["approach.options=${oc.select:a}"], "approach.options=null: want a mapping"),
        (["backend.variables={OMP_X:[1]}"], "backend.variables.OMP_X=[1]: want text"),
        (['backend.variables={OMP_X:{OMP_Y:"1"}}'], "backend.variables.OMP_X={'OMP_Y': '1'}: want text"),
        (["backend.isa_variables={avx2:{OMP_X:[1]}}"], "backend.isa_variables.avx2.OMP_X=[1]: want text"),
        (["backend.isa_variables.avx2={OMP_X:{a:b}}"], "backend.isa_variables.avx2.OMP_X={'a': 'b'}: want text"),
        (["backend.isa_variables={avx2:1}"], "avx2=1: want a mapping of names to texts"),
        (["task.labels.0=a"], "want the whole list, such as task.labels=[a,b]"),
        (["host.cores.0=1"], "want the whole list, such as host.cores=[0,1]"),
        (["host.cores.x=1"], "want the whole list, such as host.cores=[0,1]"),
        (["approach.fallback.0=x"], "want the whole list, such as approach.fallback=[a,b]"),
        (["protocol.scenario.offline_cores.0=1"], "want the whole list, such as protocol.scenario.offline_cores=[0,1]"),
        (["host.threads.0=1"], "host.threads is one value, without parts; want host.threads=VALUE"),
        (["protocol.scenario={offline_cores:[[1]]}"], "offline_cores=[[1]]: want a list of single values"),
        (["protocol.scenario.offline_cores=[2,1,2]"], "offline_cores=2+1+2: want each of them once"),
        (["task.fine_tune={frozen:[{a:b}]}"], "task.fine_tune.frozen=[{'a': 'b'}]: want a list of single values"),
        (["approach.activation={reduce_range:5}"], "approach.activation.reduce_range=5: want true or false"),
        (["task.labels={a:b}"], "want a list, such as task.labels=[a,b]"),
        (["task.labels=a"], "task.labels=a: want a list"),
        (["host.cores=[null]"], "want each item a whole number, found null"),
        (["task.text=null"], "task.text=null: want text"),
        (["protocol.scenario=[1]"], "want a mapping of blocks, seconds"),
        (["task.max_length='1_0'"], "task.max_length=1_0: want a whole number"),
        (["task.max_length='\u0663'"], "want a whole number"),
        (["task.max_length=${oc.env:PATH}"], "leads to a value that it cannot have; want a whole number"),
        (["backend=../backend/eager"], "no such option"),
        (["backend=" + "x" * 5000], "no such option"),
        (["model=/etc/hostname"], "no such option"),
        (["suite=../suites/quickstart"], "no such suite"),
        (["suite="], "no such suite"),
        (["model=custom", "model.source.path='~nobody.at.all/x'"], "no home folder of that name"),
        (["protocol.seed=range(0,300)", "protocol.in_turns=range(1,60)"], f"want {MOST_OPTIONS} at most"),
        (["backend=" + ",".join(["fx"] * 900)], f"axis backend: 900 options; want {MOST_OPTIONS} at most"),
        (
            ["protocol.seed=range(0,150)", "task.max_length=range(10,160)", "host.threads=range(1,50)"],
            f"cells; want {MOST_CELLS} at most",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(overrides: list[str], words: str) -> None:
    with pytest.raises(UserError) as error:
        make_plan(SHIPPED, overrides)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("override", "typed", "value"),
    [
        ("task.text=${.}", r"""'task.text="\${.}"'""", "${.}"),
        ("task.text=${a b}", r"""'task.text="\${a b}"'""", "${a b}"),
        ("task.text=${nope:1}", r"""'task.text="\${nope:1}"'""", "${nope:1}"),
        ('task.text="${"', r"""'task.text="\${"'""", "${"),
        ("task.text=${", r"""'task.text="\${"'""", "${"),
        (r'task.text="a\\${"', r"""'task.text="a\\\\\${"'""", r"a\\${"),
        ("task.labels=[a,'${b}']", r"""'task.labels=[a,"\${b}"]'""", ("a", "${b}")),
        ("task.source.path=/tmp/a${b}.csv", r"""'task.source.path="/tmp/a\${b}.csv"'""", "/tmp/a${b}.csv"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_the_text_that_is_taken(
    override: str, typed: str, value: object
) -> None:
    own = ["task=custom", "task.split.held_out=20", "task.source.path=x.csv"]
    plan_of = functools.partial(make_plan, SHIPPED)
    with pytest.raises(UserError) as error:
        plan_of([*own[: 2 if "path" in override else 3], override])
    assert typed in str(error.value) and len(str(error.value)) <= 400
    assert not re.search(r"token|extraneous|viable|nterpolation", str(error.value))
    (argument,) = shlex.split(typed)
    plan = plan_of([*own[: 2 if "path" in override else 3], argument])
    found = plan.cells[0].task
    for part in argument.partition("=")[0].split(".")[1:]:
        found = getattr(found, part)
    assert found == value


def test_a_backends_name_is_looked_up_and_never_a_path() -> None:
    for name in ("../eager", "os", "base", "eager.Backend", "", "torch_recipe"):
        with pytest.raises(StageError, match=r"^backend\.name: no "):
            backend_class(name)


def test_an_environments_own_texts_are_checked() -> None:
    for path, kind, domain in fields(EnvironmentConfig, "environment"):
        assert "dict" in kind or path.endswith("no_deps") or domain.pattern, path
