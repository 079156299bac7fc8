"""The schema of every config group, as frozen dataclasses with a default for each field.

Hydra and OmegaConf hold each YAML in `conf/` and each override against these types; the rest of the harness sees only
these dataclasses and imports no Hydra (see :mod:`harness.plan.compose`).
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from dataclasses import dataclass, field
from typing import Any

from harness.config.bounds import (
    MOST_BATCH,
    MOST_ROWS,
    MOST_TOKENS,
    TWO_WEEKS,
    file_name,
    listed,
    matching,
    name_of,
    one_of,
    option_name,
    option_of,
    random_seed,
    within,
)

#: A cell is not measured any more after so many failed invocations: one crash may be the neighbours' doing, but a cell
#: that crashed twice is not fit for use, whatever its other timings, and would cost its time limit again and again.
FAILED_INVOCATIONS = 2

#: A cell that claims INT8 and makes a smaller share of its multiplications in it is measured as something else.
LEAST_INT8_SHARE = 0.5

#: What `host.isa` may name beside ``native``, the lowest first, in oneDNN's words: no kernel uses more than that.
ISA_CEILINGS = ("avx2", "avx512_core", "avx512_core_vnni")

#: What `host.emulated` may name, in QEMU's words.
EMULATED_CPUS = ("Haswell", "Nehalem")

#: Blocks of a run at most: ten give a verdict, and a thousand take weeks.
MOST_BLOCKS = 1000

#: OmegaConf's marker of a mandatory value, spelled out so that the child needs no OmegaConf.
MISSING = "???"


@dataclass(frozen=True)
class SourceConfig:
    """Where bytes come from. Exactly one of `package`, `hub_id` and `path` is set; all three are equal ways.

    `package` is a registry pin (``name==version``) whose archive must have the given `sha256`; `inside` is the file or
    folder within it. `hub_id` with `revision` names a model or data set on a hub. `path` is a local file or folder.
    """

    package: str | None = None  # NAME==VERSION of a registry
    registry: str = one_of(("pypi", "debian"), "pypi")  # of `package`
    source_distribution: bool = False  # True: its source archive, not a wheel
    sha256: str | None = None  # of the archive of `package`
    inside: str | None = file_name()  # the file or folder within the archive
    hub_id: str | None = None  # OWNER/NAME
    revision: str | None = None  # commit, branch or tag on the hub
    path: str | None = file_name()  # a file or folder of this machine
    licence: str | None = None  # shown below the tables
    cite: str | None = None  # shown below the tables

    @property
    def named(self) -> list[str]:
        """Which of the three ways are set."""
        return [name for name in ("package", "hub_id", "path") if getattr(self, name) is not None]


@dataclass(frozen=True)
class ModelConfig:
    """A pretrained or already fine-tuned encoder; or one that is built from `options`, which then has no source."""

    name: str = option_name(MISSING)  # what tables call it
    source: SourceConfig = field(default_factory=SourceConfig)  # checkpoint and tokenizer
    architecture: str = "bert"  # the file in harness/models that loads or builds it
    fine_tuned: bool = False  # True: it carries its own head, so nothing is trained before FP32
    trust_remote_code: bool = False  # True: code that the checkpoint brings is run
    # Where its data are tokenised and its FP32 checkpoint is fine-tuned.
    environment: str = option_of("environment", "torch")
    options: dict[str, Any] = field(default_factory=dict)  # sizes of an architecture that is built


@dataclass(frozen=True)
class FineTuneConfig:
    """How the FP32 checkpoint is trained, once, deterministically. `epochs` may be a fraction."""

    epochs: float = within(0.0, 1000.0, 1.5)  # passes over the training rows
    learning_rate: float = within(0.0, 10.0, 1e-4)  # the highest, at the end of the warm-up
    batch_size: int = within(1, MOST_BATCH, 32)  # rows a step
    warmup_share: float = within(0.0, 1.0, 0.1)  # of the steps
    weight_decay: float = within(0.0, 10.0, 0.01)  # AdamW's, of matrices
    frozen: tuple[str, ...] = ("embeddings", "encoder.layer.0.")  # prefixes below the encoder
    seed: int = random_seed()  # of the head's weights, dropout and the order


@dataclass(frozen=True)
class SplitConfig:
    """A named split of the source, or rows held out of the training split after a shuffle with `seed`."""

    train: str = file_name("train")  # split name, or file inside the source
    evaluation: str | None = file_name()  # split name or file; None: hold rows out of train
    held_out: int = within(0, MOST_ROWS, 0)  # rows held out of the training split
    seed: int = random_seed()  # of the shuffle before rows are held out
    limit_train: int | None = within(1, MOST_ROWS, None)  # rows; None: all
    limit_evaluation: int | None = within(1, MOST_ROWS, None)  # rows; None: all


@dataclass(frozen=True)
class TaskConfig:
    """Labelled data, what is predicted from it, and the metric."""

    name: str = option_name(MISSING)  # what tables call it
    reader: str = "table"  # the file in harness/tasks that gives columns text, [text_pair] or image, and label
    source: SourceConfig = field(default_factory=SourceConfig)  # the data
    split: SplitConfig = field(default_factory=SplitConfig)  # which rows train and which evaluate
    kind: str = one_of(("classification", "regression", "language_modelling"), "classification")  # what is predicted
    text: str = name_of("a column", "text")  # of the text
    text_pair: str | None = name_of("a column", None)  # of a second text
    label: str = name_of("a column", "label")  # of the label
    labels: tuple[str, ...] | None = listed(2, None)  # fixed label order; None: sorted labels of the training split
    # A file of harness/metrics or a plugin; or a folder's or a hub's, which brings its own code.
    metric: str = name_of("a metric", "accuracy")
    trust_remote_code: bool = False  # True: the code of such a metric is run
    metric_key: str | None = None  # which of the metric's values; None: the module's own name
    greater_is_better: bool = True  # of the metric
    max_length: int = within(2, MOST_TOKENS, 128)  # tokens; longer texts are truncated
    evaluation_batch_size: int = within(1, MOST_BATCH, 32)  # rows
    fine_tune: FineTuneConfig = field(default_factory=FineTuneConfig)  # how the FP32 checkpoint is trained
    options: dict[str, Any] = field(default_factory=dict)  # the reader's own

    @property
    def is_right_or_wrong(self) -> bool:
        """Whether a row is right or wrong and the metric their share, which needs no package to be scored."""
        return (self.metric, self.metric_key, self.kind) == ("accuracy", None, "classification")


@dataclass(frozen=True)
class QuantizerConfig:
    """How one kind of tensor (weights or activations) is mapped to integers."""

    dtype: str = one_of(("int8", "uint8"), "int8")  # of the codes
    scheme: str = one_of(("affine", "symmetric"), "affine")  # symmetric: the zero point is fixed
    granularity: str = one_of(("per_tensor", "per_channel"), "per_tensor")  # how many scales a tensor has
    # What finds the range.
    observer: str = one_of(("minmax", "moving_average", "histogram", "percentile", "kl"), "minmax")
    percentile: float = within(50.0, 100.0, 99.99)  # of |x|, for observer=percentile
    reduce_range: bool = False  # 7 bits: no saturation of int16 sums on hosts without VNNI


@dataclass(frozen=True)
class CalibrationConfig:
    """Which training samples show the ranges, in a fixed order; never evaluation data."""

    samples: int = within(1, MOST_ROWS, 100)  # rows
    batch_size: int = within(1, MOST_BATCH, 10)  # rows
    seed: int = random_seed()  # of which rows


@dataclass(frozen=True)
class QatConfig:
    """Fine-tuning with fake quantization, starting from the shared FP32 checkpoint."""

    steps: int = within(1, 10_000_000, 100)  # of training
    learning_rate: float = within(0.0, 10.0, 2e-5)  # the highest
    batch_size: int = within(1, MOST_BATCH, 32)  # rows a step
    freeze_observers_at: float = within(0.0, 1.0, 0.75)  # share of the steps after which ranges stand still
    seed: int = random_seed()  # of the order


@dataclass(frozen=True)
class ApproachConfig:
    """A way to lower the precision."""

    name: str = option_name(MISSING)  # what tables call it
    precision: str = one_of(("fp32", "bf16", "int8"), "int8")  # what the cell claims to execute
    method: str = one_of(("none", "cast", "dynamic", "static", "weight_only", "qat"), "static")  # how it is reached
    activation: QuantizerConfig = field(default_factory=lambda: QuantizerConfig(dtype="uint8"))
    weight: QuantizerConfig = field(
        default_factory=lambda: QuantizerConfig(scheme="symmetric", granularity="per_channel")
    )
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    qat: QatConfig = field(default_factory=QatConfig)
    fallback: tuple[str, ...] = ()  # module names kept in FP32
    options: dict[str, Any] = field(default_factory=dict)  # a backend's own


@dataclass(frozen=True)
class BackendConfig:
    """An execution path of a framework, in one environment."""

    name: str = option_name(MISSING)  # the folder in harness/backends, or a plugin
    environment: str = option_of("environment", MISSING)  # that its stages run in
    engine: str | None = None  # of a framework that has several
    # Environment variables of every child of this backend; which ones there may be: harness/config/variables.py.
    variables: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)  # its own
    isa_variables: dict[str, dict[str, str]] = field(default_factory=dict)  # ceiling -> variables that cap kernels
    isa_reason: str | None = None  # why a ceiling that is not among them cannot be had


@dataclass(frozen=True)
class TunerConfig:
    """Accuracy-aware tuning; `none` quantizes once with the approach's own recipe."""

    name: str = option_name(MISSING)  # what tables call it
    strategy: str | None = None  # the search, ours or the external tuner's
    timeout: int = within(0, TWO_WEEKS, 0)  # seconds; 0: until a trial passes
    max_trials: int = within(1, 100_000, 100)  # of one tuning
    options: dict[str, Any] = field(default_factory=dict)  # of an external tuner


@dataclass(frozen=True)
class HostConfig:
    """What of this host a cell may use: an instruction-set ceiling (`isa`), and which cores.

    One logical CPU of each physical core of one NUMA node, its memory there, unless `sockets`, `whole` or `cores` ask
    for others (see :mod:`harness.host.placement`).

    `emulated` names a CPU of EMULATED_CPUS that QEMU shows to the cell's own stages, which are then never timed.
    """

    name: str = option_name(MISSING)  # what tables call it
    isa: str | None = one_of(("native", *ISA_CEILINGS), None)  # None or native: no ceiling
    cores: tuple[int, ...] | None = within(0, 8191, None)  # these logical CPUs, whatever they are
    # So many of the cores, the lowest-numbered; None: a thread on each of them.
    threads: int | None = within(1, 8192, None)
    numa_node: int | None = within(0, 4095, None)  # None: the node with most allowed physical cores
    sockets: int | None = within(1, 1024, None)  # the cores of so many sockets, and memory on all their nodes
    whole: bool = False  # all allowed physical cores
    emulated: str | None = one_of(EMULATED_CPUS, None)  # None: this host's own CPU
    price_per_hour: float | None = within(0.0, 1e9, None)  # of what a cell is given of this host, in any currency


#: What a scenario asks of a model, in the words of MLPerf Inference (V. J. Reddi et al., ISCA 2020).
SCENARIOS = ("single_stream", "server", "offline")

#: Those that LoadGen drives, and the environment that holds nothing but it: an overlay on the backend's own.
LOADGEN_SCENARIOS = ("single_stream", "server")
LOADGEN_ENVIRONMENT = "loadgen"


@dataclass(frozen=True)
class ScenarioConfig:
    """How the protocol's scenarios are measured, where it has any."""

    # So many of the protocol's blocks, from the first, measure the scenarios too.
    blocks: int = within(1, MOST_BLOCKS, 1)
    seconds: float = within(0.01, 3600.0, 2.0)  # of one LoadGen run, and of one layout of instances
    min_queries: int = within(1, 100_000_000, 64)  # of one LoadGen run; early stopping needs 64 for p90, 662 for p99
    server_percentile: float = within(0.5, 0.9999, 0.9)  # this share of the queries must be answered ...
    server_limit_ms: float = within(0.001, 3.6e6, 100.0)  # ... within so long, counted from their arrival
    # Queries; None: the highest rate that is valid is looked for.
    server_per_second: float | None = within(0.001, 1e9, None)
    server_probes: int = within(1, 64, 6)  # rates tried at most
    server_max_seconds: float = within(0.0, TWO_WEEKS, 120.0)  # no further rate is tried after so long
    # An instance; None: all cores, and halves of them down to one.
    offline_cores: tuple[int, ...] | None = within(1, 8192, None, fewest=1)
    offline_growth: float = within(0.0, 10.0, 0.02)  # an added instance that brings less ends the sweep


@dataclass(frozen=True)
class ProtocolConfig:
    """How often and how long is measured, and within which limits."""

    name: str = option_name(MISSING)  # what tables call it
    blocks: int = within(1, MOST_BLOCKS, 5)  # each measures every cell once
    # Of a speed-up's interval, as a share of it; further blocks seek it.
    target_half_width: float | None = within(1e-4, 1.0, None)
    budget_seconds: float | None = within(1.0, TWO_WEEKS, None)  # that all further blocks of a run may take
    # A cell is measured in at most so many further blocks in the place of disturbed ones.
    replacement_blocks: int = within(0, MOST_BLOCKS, 2)
    latency_batch_size: int = within(1, MOST_BATCH, 1)  # rows
    throughput_batch_size: int = within(1, MOST_BATCH, 8)  # rows
    sequence_length: int | None = within(2, MOST_TOKENS, None)  # tokens, padded; None: the task's max_length
    lengths: str = one_of(("padded", "real"), "padded")  # real: each batch is as long as its longest text
    min_iterations: int = within(1, 1_000_000, 50)  # of a series
    measure_seconds: float = within(0.0, 3600.0, 1.0)  # per batch size and invocation
    warmup_max_seconds: float = within(0.0, 3600.0, 3.0)  # of a series
    warmup_window: int = within(3, 100_000, 10)  # iterations that must be flat
    limit_evaluation: int | None = within(1, MOST_ROWS, None)  # rows; None: the whole split
    criterion: float = within(0.0, 1e6, 0.01)  # the loss of the metric that is allowed
    criterion_relative: bool = True  # True: a share of FP32's value
    confidence: float = within(0.5, 0.9999, 0.95)  # of intervals
    time_limit_seconds: int = within(1, TWO_WEEKS, 1800)  # of one process
    memory_limit_bytes: int | None = within(2**20, 2**50, None)  # None: 90 % of what the host allows
    # With default it is not set, so that each runtime waits as it does by itself.
    omp_wait_policy: str = one_of(("PASSIVE", "ACTIVE", "default"), "PASSIVE")
    in_turns: int = within(1, 64, 1)  # so many of a block's cells are loaded at the same time, and timed interleaved
    huge_pages: bool = False  # of malloc, for what is timed: where small pages lie differs from process to process
    seed: int = random_seed()  # of the order of measuring
    scenarios: tuple[str, ...] = one_of(SCENARIOS, ())  # of SCENARIOS, measured beside the plain series
    scenario: ScenarioConfig = field(default_factory=ScenarioConfig)  # how scenarios are measured


@dataclass(frozen=True)
class EnvironmentConfig:
    """A pinned, separately installed set of packages. `lock` lies beside this YAML."""

    name: str = option_name(MISSING)  # its folder in the cache begins so
    python: str = matching(r"\d+\.\d+", "a version such as 3.11", "3.11")  # version of the interpreter
    lock: str = matching(r"\w[\w.+-]*", "the name of a file beside the YAML", MISSING)  # pins, one a line
    variables: dict[str, str] = field(default_factory=dict)  # of all processes in it
    no_deps: tuple[str, ...] = ()  # pins installed without their declared dependencies
    # Must import, or the build has failed.
    imports: tuple[str, ...] = matching(r"\w+(\.\w+)*", "the name of a module", ())


#: Config group -> schema. The order is the order of the parts of a cell's key.
AXES: dict[str, type] = {
    "model": ModelConfig,
    "task": TaskConfig,
    "approach": ApproachConfig,
    "backend": BackendConfig,
    "tuner": TunerConfig,
    "host": HostConfig,
    "protocol": ProtocolConfig,
}


@functools.cache
def field_at(path: str) -> dataclasses.Field[Any] | None:
    """Return the field of the schema that a path names, such as ``task.source.path``; None where there is none."""
    axis, *parts = path.split(".")
    schema, found = AXES.get(axis), None
    for part in parts:
        there = {one.name: one for one in dataclasses.fields(schema)} if dataclasses.is_dataclass(schema) else {}
        if part not in there:
            return None
        found, schema = there[part], typing.get_type_hints(schema)[part]
    return found
