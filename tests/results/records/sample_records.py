"""One valid record of each type, for the tests of this room."""

from __future__ import annotations

from typing import Any

from harness.config.schema import AXES
from harness.results.records import record

RUN = "20261124T091500Z-quickstart-3f9a"


#: Digest -> the config of an option, with no more fields than each axis must have.
_OPTIONS: dict[str, dict[str, Any]] = {
    "f0": {"name": "minilm", "source": {}, "environment": "torch"},
    "f1": {
        "name": "sentiment",
        "source": {},
        "kind": "classification",
        "metric": "accuracy",
        "greater_is_better": True,
    },
    "f2": {"name": "fp32", "precision": "fp32", "fallback": ()},
    "f3": {"name": "eager", "environment": "torch"},
    "f4": {"name": "none"},
    "f5": {"name": "native"},
    "f6": {
        **{"name": "quick", "blocks": 2, "latency_batch_size": 1, "throughput_batch_size": 8, "measure_seconds": 1.0},
        **{"criterion": 0.01, "criterion_relative": True, "confidence": 0.95, "omp_wait_policy": "PASSIVE"},
    },
}


def header(**changed: Any) -> record.Record:
    """Return a header, with fields of your own in the place of the sample's."""
    fields: dict[str, Any] = {
        "run": RUN,
        "suite": {"name": "quickstart", "version": 1, "digest": "5a" * 8},
        "overrides": ["protocol=smoke"],
        "harness": {"version": "0.1.0", "revision": None, "dirty": None},
        "host": "9c2f",
        "environments": {"torch": "0" * 16},
        "options": [
            {"digest": digest, "axis": axis, "label": config["name"], "config": config}
            for (digest, config), axis in zip(_OPTIONS.items(), AXES, strict=True)
        ],
        "cells": [
            {
                "key": "minilm/sentiment",
                "digest": "d1",
                "labels": tuple(config["name"] for config in _OPTIONS.values()),
                "options": list(_OPTIONS),
            }
        ],
        "excluded": [
            {"key": "a/b", "kind": "excluded", "because": "no need", "labels": list("abcdefg")},
            {"key": "a/c", "kind": "unsupported", "because": "it cannot"},
        ],
        "baseline": {"approach": "fp32"},
        "gates": [
            {"name": "g", "require": {"value": ">= 0.85"}, "match": {"task": ("sentiment",)}, "when": {}},
            {"name": "h", "require": {"criterion": "!= failed"}},
        ],
        "seed": 0,
    }
    return record.header(**{**fields, **changed})


def dataset() -> record.Record:
    """Return a dataset record with a label that is no ASCII."""
    return record.dataset(
        task="sentiment",
        tokenised="a1",
        rows={"train": 2, "evaluation": 3},
        fingerprints={"train": "aa", "evaluation": "bb"},
        labels=["größer", "\u2028"],
        references=[0, 1, 1],
    )


def peak() -> record.Record:
    """Return a peak record."""
    return record.peak(cores=[0, 1], threads=2, int8_per_second=4.1e11, size=1024, kernel="x86 of torch 2.13.0")


def prepared() -> record.Record:
    """Return a prepared record."""
    stages = [{"stage": "tokenise", "artefact": "a1", "seconds": 0.5, "reused": True}]
    return record.prepared(
        cell="minilm/sentiment",
        cell_digest="d1",
        artefact="b2",
        size_bytes=90_000_000,
        seconds=0.0,
        reused=True,
        stages=stages,
        provenance={"recipe": {"observer": "minmax"}, "losses": [0.5, 0.25]},
    )


def trial(index: int = 0, **changed: Any) -> record.Record:
    """Return a trial that keeps its criterion, with fields of your own in the place of the sample's."""
    fields: dict[str, Any] = {
        "recipe": {
            "method": "dynamic",
            "activation": {
                **{"dtype": "uint8", "observer": "minmax", "scheme": "affine", "reduce_range": False},
                "percentile": 99.99,
            },
            "weight": {"dtype": "int8", "granularity": "per_channel"},
        },
        "recipe_digest": f"{index:064x}",
        "fallback": ("classifier",),
        "status": "ok",
        "kind": None,
        "message": "",
        "metric": {
            **{"name": "accuracy", "value": 0.5, "baseline": 0.75, "difference": -0.25, "difference_low": -0.5},
            **{"difference_high": None, "allowed": 0.25, "state": "undecided"},
        },
        "rows": 4,
        "latency_ns": 4e6,
        "size_bytes": 22_000_000,
        "seconds": 1.5,
        "reused": False,
    }
    return record.trial(cell="minilm/sentiment", cell_digest="d1", index=index, **{**fields, **changed})


def accuracy() -> record.Record:
    """Return an accuracy record."""
    return record.accuracy(
        cell="minilm/sentiment",
        cell_digest="d1",
        artefact="b2",
        tokenised="a1",
        reused=False,
        executed={"int8_ops": 0, "bf16_ops": 0, "fp32_ops": 38, "source": "profiler", "kernels": {"addmm": 38}},
        metric={"name": "accuracy", "value": 2 / 3, "greater_is_better": True},
        predictions=[0, 1, 0],
        logits_sha256="0" * 64,
        rows=3,
        seconds=1.25,
    )


def invocation(block: int = 0, iterations: int = 3) -> record.Record:
    """Return an invocation with so many timed iterations."""
    series = {"sequence_length": 128, "steady": True, "warmup_ns": [], "latency_ns": [4_000_000] * iterations}
    return record.invocation(
        cell="minilm/sentiment",
        cell_digest="d1",
        artefact="b2",
        block=block,
        order=block,
        peak_memory_bytes=412_000_000,
        wall_seconds=3.5,
        process_seconds=6.5,
        voluntary_switches=10,
        involuntary_switches=2,
        import_seconds=1.5,
        load_seconds=0.25,
        rss_loaded_bytes=400_000_000,
        threads=2,
        cores=(0, 1),
        series=[{"role": role, "batch_size": rows, **series} for role, rows in (("latency", 1), ("throughput", 8))],
        control={"gemm_ns": [3], "gemm_size": 512, "stream_ns": [4], "stream_bytes": 64},
        system={"before": {"load_average": [0.5, 0.5, 0.25], "steal_ticks": 0, "throttle_count": None}, "after": {}},
        timer_ns=41.5,
    )


def scenario(name: str = "server", **changed: Any) -> record.Record:
    """Return a scenario record of all parts at once, with fields of your own in the place of the sample's."""
    readings = {"before": {"load_average": [0.5, None]}, "after": {}}
    series = {
        "cores": (1,),
        "nodes": (0,),
        "steady": True,
        "warmup_ns": [7],
        "begin_ns": 5,
        "latency_ns": [4],
        "system": readings,
    }
    layout = {"instances": 1, "cores_per_instance": 1, "per_second": 2.5, "window_seconds": 1.5, "memory": "one node"}
    probe = {"target_per_second": 5.5, "valid": True, "scheduled_ns": [0, 3], "latency_ns": [4, 5], "samples": [1, 0]}
    fields: dict[str, Any] = {
        **{"generator": "mlcommons-loadgen 6.0.17", "batch_size": 1, "sequence_length": None, "tokens": [9, 12]},
        **{"cores": [0, 1], "threads": 2, "steady": True, "warmup_ns": [9], "valid": True, "per_second": 5.5},
        **{"percentile": 0.9, "limit_ns": 100, "system": readings},
        "percentiles": [{"percentile": 0.5, "latency_ns": 4, "bound_ns": None}],
        "probes": [{**probe, "loadgen": {"result_validity": "VALID", "num_errors": 0, "early_stopping_met": True}}],
        "layouts": [{**layout, "series": [series]}],
        **{"peak_memory_bytes": 10, "wall_seconds": 1.5, "process_seconds": 2.5},
    }
    named = {"cell": "minilm/sentiment", "cell_digest": "d1", "artefact": "b2", "block": 0, "scenario": name}
    return record.scenario(**{**named, **fields, **changed})


def failure() -> record.Record:
    """Return a failure whose log holds bytes that are no text, as a decoder with surrogates hands them on."""
    return record.failure(
        cell="minilm/sentiment",
        cell_digest="d1",
        stage="measure",
        kind="crash",
        message="died by signal 11",
        block=1,
        log_tail="rubbish \udcff\x00\n",
    )


def end(status: str = "complete") -> record.Record:
    """Return an end record."""
    return record.end(status, {"invoked": 2}, 61.5)


def all_types() -> list[record.Record]:
    """Return one record of each type, in the order of a run."""
    return [header(), dataset(), trial(), prepared(), accuracy(), peak(), invocation(), scenario(), failure(), end()]
