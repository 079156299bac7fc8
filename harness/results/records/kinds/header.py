"""The first record of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import UNSET, UnsetType

from harness.config.schema import AXES
from harness.results.records.kinds.base import (
    Amount,
    Base,
    Count,
    Cpus,
    Digest,
    Free,
    Identifier,
    Part,
    Sha256,
    Text,
    says,
)

if TYPE_CHECKING:
    Axis = str
else:
    Axis = Literal[tuple(AXES)]  # known at run time alone, which no type checker reads


class Suite(Part):
    """The suite that a run measures."""

    name: Annotated[Text, says("its name")]
    version: Annotated[Count, says("its version, raised by its author")]
    digest: Annotated[Digest, says("of everything the suite's file says")]


class Harness(Part, kw_only=True):
    """The code that made the records."""

    version: Annotated[Text, says("version of the package")]
    revision: Annotated[
        str | None,
        says("git commit; null where it is not known: no git, no checkout (as in an installed package)"),
    ]
    dirty: Annotated[
        bool | None,
        says(
            "whether code, configs or suites differed from that commit, files that git does not track included; "
            "null where not known"
        ),
    ]
    digest: Annotated[Digest, says("of the code that the child processes run")] | UnsetType = UNSET


class Option(Part):
    """One option of an axis, with its whole config."""

    digest: Annotated[Digest, says("of the axis and the config")]
    axis: Annotated[Axis, says("model, task, approach, backend, tuner, host or protocol")]
    label: Annotated[Text, says("what tables call it: its name, and overridden fields in brackets")]
    config: Annotated[Free, says("every field of its config group, defaults included, as in `conf/`")]


class Cell(Part):
    """A cell to run."""

    key: Annotated[Text, says("its labels joined by `/`; the same on every host and in every run")]
    digest: Annotated[Digest, says("of its options; differs whenever a field of a config differs")]
    labels: Annotated[list[str], says("one label an axis, in the order of the axes above")]
    options: Annotated[list[str], says("digests of its options, one an axis, in the same order")]


class Excluded(Part, kw_only=True):
    """A cell that is not run."""

    key: Annotated[Text, says("as for `cells`")]
    kind: Annotated[
        Literal["excluded", "unsupported"],
        says("`excluded`: the suite leaves it out; `unsupported`: the backend cannot run it"),
    ]
    because: Annotated[Text, says("the reason")]
    labels: Annotated[list[str], says("as for `cells`")] | UnsetType = UNSET


class Gate(Part, kw_only=True):
    """What a suite asks of the finished table."""

    name: Annotated[Text, says("what a person calls the gate")]
    require: Annotated[dict[str, str], says("column of the table to an expression such as `>= 0.85`")]
    match: (
        Annotated[dict[str, list[Any]], says("axis, or axis.field, to the list of values that pick the rows")]
        | UnsetType
    ) = UNSET
    when: Annotated[dict[str, str], says("what the host must have for the gate to hold at all")] | UnsetType = UNSET


class Comparison(Part):
    """One side of a comparison."""

    id: Annotated[Identifier, says("digest of what is compared with what: cells, locks and code of both sides")]
    side: Annotated[Literal["A", "B"], says("`A` or `B`")]
    label: Annotated[Text, says("what the command line called this side")]
    other: Annotated[Identifier, says("id of the other side's run; equal `block`s of the two are pairs")]


class Rerun(Part):
    """The cell of an earlier run that this run repeats."""

    run: Annotated[Identifier, says("id of that run")]
    cell_digest: Annotated[Digest, says("of the cell")]


class Limits(Part):
    """What of the host a run might use."""

    affinity: Annotated[list[Count], says("logical CPUs")]
    cgroup_cpus: Annotated[Amount | None, says("CPU time that its control group allows, in CPUs; null: no limit")]
    cgroup_memory_bytes: Annotated[Count | None, says("memory that its control group allows; null: no limit")]


class Header(Base, kw_only=True):
    """What the run is going to do, where, and with which code."""

    run: Annotated[Identifier, says("the run's id, which is also the name of its file")]
    suite: Annotated[Suite, says("the suite as its file says it")]
    overrides: Annotated[list[str], says("the command line's overrides, in its order")]
    harness: Annotated[Harness, says("the code that made the records")]
    host: Annotated[Identifier, says("fingerprint of the machine; `hosts/` describes it")]
    environments: Annotated[
        dict[Identifier, Identifier],
        says("name of each environment to the hash of its lock; `environments/` holds the lock"),
    ]
    lock_sha256: (
        Annotated[
            dict[Identifier, Sha256],
            says("name of each environment to the SHA-256 of the lock's file in `environments/`, byte for byte"),
        ]
        | UnsetType
    ) = UNSET
    options: Annotated[list[Option], says("every option of every axis")]
    cells: Annotated[list[Cell], says("the cells to run")]
    excluded: Annotated[list[Excluded], says("the cells that are not run")]
    baseline: Annotated[dict[str, str], says("axis to the label of the cells that others are compared with")]
    gates: Annotated[list[Gate], says("what the suite asks of the finished table")]
    seed: Annotated[int, says("of the order of the invocations")]
    comparison: (
        Annotated[Comparison, says("the run is one side of a comparison, measured in turns with the other side")]
        | UnsetType
    ) = UNSET
    rerun_of: (
        Annotated[Rerun, says("the run repeats a cell of an earlier one, in the original environment")] | UnsetType
    ) = UNSET
    emulator: (
        Annotated[Text, says("the program and version that shows cells with `host.emulated` their CPU")] | UnsetType
    ) = UNSET
    limits: (
        Annotated[Limits, says("what of the host the run might use; `hosts/` has what an earlier process might")]
        | UnsetType
    ) = UNSET
    placements: (
        Annotated[
            dict[str, Cpus],
            says(
                "label of a host option to the logical CPUs of its cells, a thread on each; a run goes on only where "
                "they are the same"
            ),
        ]
        | UnsetType
    ) = UNSET
