"""What pip's own configuration asks for, as uv takes it: what works with pip must work with uv.

pip's files, sections and variables are not read here: its own option parser says what they come to. That parser is no
public interface of pip's; where it cannot be asked, the environment is built with pip.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from harness.errors import StageError
from harness.execute.environments import tool

#: Begins the line of the answer; warnings of pip may stand around it.
_MARK = "harness-settings:"

#: Prints each option of `pip install` that the configuration changes. A harness that uv has installed may have no pip;
#: Python carries one with it for new virtual environments.
_ASK = f"""
import json, sys
try:
    import pip
except ImportError:
    import ensurepip, pathlib
    sys.path[:0] = map(str, pathlib.Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
    try:
        import pip
    except ImportError:
        print("{_MARK}{{}}")
        sys.exit()
from pip._internal.commands import create_command
parser = create_command("install").parser
found = vars(parser.get_default_values())
changed = {{name: value for name, value in found.items() if value != parser.defaults.get(name)}}
control = found["format_control"]
changed["format_control"] = {{one: sorted(getattr(control, one)) for one in ("no_binary", "only_binary")}}
print("{_MARK}" + json.dumps(changed, default=str))
"""


@dataclass(frozen=True)
class Settings:
    """What pip's configuration asks for: options of uv's command line, and variables, which no list of processes shows.

    `no_index` : no index may be asked, so none of torch's either.
    """

    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    no_index: bool = False


def read(tools: tool.Tools | None = None) -> Settings:
    """Return the settings of the pip that this harness was installed with, or that its Python carries with it.

    Raises
    ------
    StageError : ``environment``; pip finds its configuration wrong, or cannot be asked.
    """
    finished = tool.run([sys.executable, "-P", "-c", _ASK], tools=tools)
    answer = next((line for line in finished.lines if line.startswith(_MARK)), None)
    if finished.code != 0 or answer is None:
        raise StageError("environment", f"pip's settings cannot be read: {tool.why(finished)[1]}")
    return translate(json.loads(answer.removeprefix(_MARK)), Path.cwd(), os.environ)


def translate(found: Mapping[str, Any], folder: Path, theirs: Mapping[str, str]) -> Settings:
    """Return what uv must be told so that it does what pip would.

    Parameters
    ----------
    found : the options of ``pip install`` that differ from its defaults, by pip's own names of them.
    folder : where pip would be run: paths are relative to it, and uv is run elsewhere.
    theirs : the person's environment variables; one of uv's own there wins over what pip's configuration says.
    """
    places = _Places(folder)
    timeout, indexes = found.get("timeout"), map(places.index, found.get("extra_index_urls") or ())
    variables = {
        # pip takes the best version of all places; uv by itself takes the first place that has the package at all.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INDEX": " ".join(indexes),
        "UV_HTTP_TIMEOUT": str(max(1, math.ceil(timeout))) if timeout else "",
        "UV_HTTP_RETRIES": str(found.get("retries", "")),
    }
    if found.get("index_url") and not theirs.get("UV_INDEX_URL"):
        variables["UV_DEFAULT_INDEX"] = places.index(found["index_url"])
    variables = {name: value for name, value in variables.items() if value and not theirs.get(name)}
    if cert := found.get("cert"):
        variables["SSL_CERT_DIR" if Path(cert).is_dir() else "SSL_CERT_FILE"] = cert
    if found.get("client_cert"):
        variables["SSL_CLIENT_CERT"] = found["client_cert"]
    if found.get("proxy"):
        variables |= {name: found["proxy"] for one in _PROXIES for name in (one, one.lower())}
    return Settings(tuple(_options(found, places, theirs)), variables, bool(found.get("no_index")))


_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

#: Settings of pip that are switched on or off -> uv's options.
_FLAGS = {"no_index": "--no-index", "require_hashes": "--require-hashes", "ignore_dependencies": "--no-deps"}

#: Which formats of which packages are let in: pip's set -> uv's option.
_FORMATS = {"no_binary": "--no-binary", "only_binary": "--only-binary"}


@dataclass(frozen=True)
class _Places:
    """Makes of a place as pip's configuration names it, seen from `folder`, one that means the same everywhere."""

    folder: Path

    def index(self, text: str) -> str:
        return text if _is_url(text) else (self.folder / text).absolute().as_uri()

    def find_links(self, text: str) -> str | None:
        """Return None for what is not there: pip passes over it with a warning, uv stops."""
        if _is_url(text):
            return None if text.startswith("file:") and not _path(text).exists() else text
        paths = (self.folder / Path(text).expanduser(), self.folder / text)
        return next((path.absolute().as_uri() for path in paths if path.exists()), None)

    def file(self, text: str) -> str:
        if text.startswith("file:"):
            return str(_path(text))
        return text if _is_url(text) else str(self.folder / text)

    def host(self, text: str) -> str:
        return text


#: Settings of pip that hold several values -> uv's option for each, uv's own variable, and how a value is passed on.
_LISTS = (
    ("find_links", "--find-links", "UV_FIND_LINKS", _Places.find_links),
    ("constraints", "--constraint", "UV_CONSTRAINT", _Places.file),
    ("build_constraints", "--build-constraint", "UV_BUILD_CONSTRAINT", _Places.file),
    ("trusted_hosts", "--allow-insecure-host", "UV_INSECURE_HOST", _Places.host),
)


def _options(found: Mapping[str, Any], places: _Places, theirs: Mapping[str, str]) -> Iterator[str]:
    for name, option, variable, passed_on in _LISTS:
        if not theirs.get(variable):
            values = [passed_on(places, value) for value in found.get(name) or ()]
            yield from (part for value in values if value is not None for part in (option, value))
    for name, option in _FORMATS.items():
        yield from (part for value in found.get("format_control", {}).get(name, ()) for part in (option, value))
    yield from (option for name, option in _FLAGS.items() if found.get(name))


def _is_url(text: str) -> bool:
    return "://" in text or text.startswith("file:")


def _path(url: str) -> Path:
    return Path(url2pathname(urlsplit(url).path))
