"""No field of a config is a stub: each is read somewhere, and by more than the code that carries all fields along."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.config import schema as config

PACKAGE = Path(config.__file__).resolve().parents[1]

#: Configs, and which of their fields each schema holds.
SCHEMAS = [one for one in vars(config).values() if isinstance(one, type) and dataclasses.is_dataclass(one)]

#: Names that many other things have too, so that a read of one proves little: where each is read of a config.
_COMMON = {
    "HostConfig.cores": "config.cores",
    "HostConfig.threads": "config.threads",
    "HostConfig.sockets": "config.sockets",
    "HostConfig.isa": "host.isa",
    "SourceConfig.path": "source.path",
    "ProtocolConfig.blocks": "protocol.blocks",
    "ProtocolConfig.seed": "protocol.seed",
    "ScenarioConfig.blocks": "scenario.blocks",
    "ScenarioConfig.seconds": "scenario.seconds",
    "TaskConfig.text": "task.text",
    "TaskConfig.label": "task.label",
    "TaskConfig.labels": "task.labels",
}


def reads(source: str) -> Iterator[str]:
    """Yield each attribute that is read, as ``name`` and ``owner.name``, and each text that is looked up."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=owner, attr=name, ctx=ast.Load()):
                yield name
                yield f"{owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, 'id', '?')}.{name}"
            case ast.Subscript(slice=ast.Constant(value=key), ctx=ast.Load()):
                yield str(key)
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=key), *_]):
                yield str(key)


@pytest.fixture(scope="module")
def everything() -> set[str]:
    files = [path for path in PACKAGE.rglob("*.py") if path != Path(config.__file__)]
    return {name for path in files for name in reads(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_each_field_is_read(schema: type, everything: set[str]) -> None:
    fields = {field.name: f"{schema.__name__}.{field.name}" for field in dataclasses.fields(schema)}
    unread = [path for name, path in fields.items() if _COMMON.get(path, name) not in everything]
    assert not unread, f"{', '.join(unread)}: read by nobody in harness/"


def test_a_read_is_a_read_and_a_keyword_or_an_assignment_is_none() -> None:
    assert set(reads("x = cell.host.numa_node")) == {"numa_node", "host.numa_node", "host", "cell.host"}
    assert set(reads("source['cite'], source.get('licence')")) == {"cite", "licence", "get", "source.get"}
    assert set(reads("HostConfig(numa_node=1)\nx.cite = y\nz['licence'] = 2\n'numa_node'")) == set()


def test_every_schema_of_an_axis_is_looked_at() -> None:
    assert {*config.AXES.values(), config.SourceConfig, config.QatConfig} <= set(SCHEMAS)
