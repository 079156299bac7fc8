"""Strategies of suites and of the config files of a project: YAML that is nearly right, and bytes that are no YAML."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fuzz import hostile

#: Uses every key that a suite may have, in each of its forms.
SUITE: dict[str, Any] = {
    "name": "own",
    "version": 2,
    "description": "a suite",
    "axes": {
        "model": ["minilm"],
        "task": [{"sentiment": {"max_length": 64, "label": "short"}}],
        "approach": ["fp32", {"ptq_dynamic": {"weight.dtype": "int8"}}],
        "backend": "eager",
        "tuner": ["none"],
        "host": ["native"],
        "protocol": [{"smoke": {"blocks": 2}}],
    },
    "exclude": [{"match": {"approach": ["fp32"], "protocol.blocks": 3}, "because": "no need", "without": ["avx2"]}],
    "baseline": {"approach": "fp32", "backend": "eager"},
    "gates": [
        {
            "name": "fast",
            "match": {"approach": "ptq_dynamic"},
            "when": {"isa": "avx2"},
            "require": {"speedup": ">= 1.5", "criterion": "!= failed"},
        }
    ],
    "seed": 3,
}

#: What PyYAML or Hydra reads as more than a value.
_BITS = (
    *("# @package _global_\n", "%YAML 1.1\n---\n", "---\n---\n"),
    *("...\n", "- a\n", "defaults: 1\n", "defaults: [_self_]\n"),
    *("a: &a {b: *a}\n", "a: *nope\n", "<<: {a: 1}\n"),
    *("<<: 1\n", "? [1]\n: 2\n", "!!python/object/apply:os.system [id]\n"),
    *("version: 1\nversion: 2\n", "name: ${oc.env:UNSET}\n", "name: ${.name}\n", "name: ${name}\n", "name: '???'\n"),
    *("version: null\n", "version: abc\n", "version: '1.2'\n"),
    *("version: [1]\n", "seed: abc\n", "seed: 1e400\n", "baseline: {nope: x}\n"),
    *("a: " + "[" * 2000 + "\n", "a: " + "[" * 900 + "]" * 900 + "\n"),
    *("a: " + "9" * 5000 + "\n", "a: 2026-13-45\n", "a: 2026-01-01\n"),
    *("\t a: 1\n", "a: !!binary x\n", "a: !!timestamp x\n", "a: !!set {x}\n"),
    *("a: .nan\n", "a: .inf\n", "1: 2\n", "null: 1\n"),
    *("true: 1\n", "[1, 2]: 3\n", "a: 'x\n", 'a: "\\x1b[31m"\n'),
    *('a: "\\ud800"\n', "a: \u202ex\n", "a: |\n  x\n y\n", "environment: nope\n"),
    *("name: ../eager\n", "variables: {A=B: x}\n"),
    *("variables: {LD_PRELOAD: x}\n", "defaults: [/model: minilm]\n", "lock: ../x.txt\n"),
)  # fmt: skip


def _dump(value: Any) -> bytes:
    try:
        return yaml.safe_dump(value, sort_keys=False).encode()
    except (yaml.YAMLError, UnicodeEncodeError, ValueError, RecursionError):
        return hostile.dumps(value).encode()


def _joined(draw: st.DrawFn, content: bytes) -> bytes:
    bit = draw(st.sampled_from(_BITS)).encode()
    return draw(st.sampled_from((content + bit, bit + content, bit)))


@st.composite
def files(draw: st.DrawFn, base: Any) -> bytes:
    """Return the bytes of a YAML file that holds nearly `base`."""
    way = draw(st.sampled_from(("value", "value", "value", "bit", "bytes")))
    if way == "value":
        return _dump(draw(hostile.changed(base)))
    content = _dump(base)
    return _joined(draw, content) if way == "bit" else draw(hostile.damaged(content))
