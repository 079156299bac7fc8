"""uv with the translated settings picks what pip picks with the same configuration, from wheels in folders."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness.errors import StageError
from harness.execute.environments import installer, pins, pip_settings, tool
from tests.backend_env import program_text
from tests.execute.environments.wheels import only_wheels_of, write_source_distribution, write_wheel

#: Both packages are in the first folder, in all formats; the second one has newer versions, and each of an index.
_PACKAGES = ("tiny_one", "tiny_two")
_BACKEND = program_text(__file__, "pip_settings_backend")


@pytest.fixture(scope="module")
def places() -> Path:
    """Return a folder with two folders of packages, an index, and constraints."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made, "a place, of packages")
        for name in _PACKAGES:
            write_wheel(folder / "one", name, "1.0", {f"{name}.py": "one"})
            write_source_distribution(folder / "one", name, "1.0", _BACKEND, {})
            write_wheel(folder / "one", name, "1.1", {f"{name}.py": "one"})
            write_wheel(folder / "two", name, "1.2", {f"{name}.py": "two"})
            wheel = write_wheel(folder / "index" / name.replace("_", "-"), name, "1.3", {f"{name}.py": "index"})
            wheel.with_name("index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
        (folder / "constraints").write_text("tiny_one<1.2\n-c more.txt\n")
        (folder / "more.txt").write_text("tiny_two!=1.3\n")
        (folder / "user").mkdir()
        yield folder


@pytest.fixture(autouse=True)
def nothing_else(tmp_path, monkeypatch) -> None:
    only_wheels_of(tmp_path / "none", monkeypatch)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_CONFIG_FILE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """Return an environment with pip, into which nothing is installed."""
    folder = tmp_path_factory.mktemp("own") / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


def _by_pip(python: Path, wanted: list[str]) -> dict[str, str] | None:
    command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--disable-pip-version-check"]
    finished = tool.run([*command, *wanted])
    told = next((line for line in finished.lines if line.startswith("Would install")), "")
    found = {pins.normal(name): version for name, version in re.findall(r"(\S+)-(\S+)", told)}
    return found if finished.code == 0 else None


def _by_uv(python: Path, wanted: list[str], cache: Path) -> dict[str, str] | None:
    found = pip_settings.read()
    command = [installer.choose().uv, "pip", "install", "--dry-run", "--reinstall", "--python", python]
    # As the harness does: elsewhere than the person is.
    finished = tool.run(
        [*command, "--cache-dir", cache, *found.options, *wanted], variables=found.variables, cwd=cache.parent
    )
    told = [match for line in finished.lines if (match := re.fullmatch(r"\s*\+ (\S+)==(\S+)", line))]
    return {match[1]: match[2] for match in told} if finished.code == 0 else None


_FINE = [HealthCheck.function_scoped_fixture]
_FORMATS = st.sampled_from([":all:", ":none:", "tiny_one", "tiny-two", ":all:,:none:,tiny_one", "tiny_one,tiny_two"])

#: Of each setting, some forms that pip takes; {name} is the address of a place. Paths are relative to the person's.
_SETTINGS = {
    "index-url": st.sampled_from(["../index", "{index}"]),
    "find-links": st.sampled_from(["../one", "../one\n  ../two", "../one ../nowhere", "{one} {two}", "{one}\n{gone}"]),
    "no-index": st.sampled_from(["1", "true", "yes", "no", "0"]),
    "extra-index-url": st.sampled_from(["../index", "{index}\n{gone}"]),
    "constraint": st.sampled_from(["../constraints", "{constraints}"]),
    "no-binary": _FORMATS,
    "only-binary": _FORMATS,
}
_PLACES = ("one", "two", "index", "gone", "constraints")
_SOME = st.fixed_dictionaries({}, optional=_SETTINGS)
_ALWAYS = {name: _SETTINGS.pop(name) for name in ("index-url", "find-links")}


@pytest.mark.slow
@settings(max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=_FINE)
@given(in_global=st.fixed_dictionaries(_ALWAYS, optional=_SETTINGS), in_install=_SOME, in_variables=_SOME)
def test_uv_picks_what_pip_picks(places, own, in_global, in_install, in_variables):
    addresses = {name: (places / name).as_uri() for name in _PLACES}

    def lines(section: str, values: dict[str, str]) -> str:
        told = [f"{name} = {value}".replace("\n", "\n    ") for name, value in values.items()]
        return "\n".join([f"[{section}]", *told, ""]).format(**addresses)

    (places / "pip.conf").write_text(lines("global", in_global) + lines("install", in_install))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(places / "user")
        patch.setenv("PIP_CONFIG_FILE", str(places / "pip.conf"))
        for name, value in in_variables.items():
            patch.setenv(f"PIP_{name.upper().replace('-', '_')}", value.format(**addresses))
        assert _by_uv(own, [*_PACKAGES], places / "cache") == _by_pip(own, [*_PACKAGES])


def _translated(tmp_path: Path, theirs: dict[str, str] | None = None, **found) -> pip_settings.Settings:
    return pip_settings.translate(found, tmp_path, theirs or {})


def test_addresses_hosts_and_proxies(tmp_path):
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    found = _translated(
        tmp_path,
        index_url="https://user:word@x.invalid/simple",
        extra_index_urls=["https://y.invalid/simple", "simple"],
        trusted_hosts=["x.invalid", "y.invalid:8080"],
        proxy="http://proxy.invalid:3128",
        cert="/ca.pem",
        client_cert="/own.pem",
        timeout=15.5,
        retries=0,
        require_hashes=True,
    )
    assert found.options == (
        *("--allow-insecure-host", "x.invalid", "--allow-insecure-host", "y.invalid:8080", "--require-hashes"),
    )
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://proxy.invalid:3128")
    assert found.variables == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://user:word@x.invalid/simple",
        "UV_INDEX": f"https://y.invalid/simple {(tmp_path / 'simple').as_uri()}",
        "UV_HTTP_TIMEOUT": "16",
        "UV_HTTP_RETRIES": "0",
        "SSL_CERT_FILE": "/ca.pem",
        "SSL_CLIENT_CERT": "/own.pem",
        **proxies,
        **{name.lower(): value for name, value in proxies.items()},
    }
    assert _translated(tmp_path, cert=str(certificates)).variables["SSL_CERT_DIR"] == str(certificates)
    assert _translated(tmp_path).variables == {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_what_a_person_tells_uv_itself_wins(tmp_path):
    (tmp_path / "wheels").mkdir()
    found = {"index_url": "https://x.invalid", "find_links": ["wheels"], "constraints": ["c.txt"], "timeout": 9}
    assert _translated(tmp_path, **found).options == (
        *("--find-links", (tmp_path / "wheels").as_uri(), "--constraint", str(tmp_path / "c.txt")),
    )
    theirs = {
        **{"UV_DEFAULT_INDEX": "https://own.invalid", "UV_FIND_LINKS": "/own", "UV_CONSTRAINT": "/own.txt"},
        **{"UV_HTTP_TIMEOUT": "5", "UV_INDEX_STRATEGY": "first-index"},
    }
    assert _translated(tmp_path, theirs, **found) == pip_settings.Settings((), {})
    old_name = _translated(tmp_path, {"UV_INDEX_URL": "https://own.invalid"}, **found)
    assert "UV_DEFAULT_INDEX" not in old_name.variables


def test_a_home_folder_and_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "wheels").mkdir(parents=True)
    found = _translated(tmp_path, find_links=["~/wheels", "nowhere", "file:///nowhere", "https://x.invalid/page"])
    home = (tmp_path / "home" / "wheels").as_uri()
    assert found.options == ("--find-links", home, "--find-links", "https://x.invalid/page")


def test_a_wrong_configuration_is_one_line(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "perhaps")
    with pytest.raises(StageError, match=r"pip's settings cannot be read: .*perhaps is not a valid value for no-index"):
        pip_settings.read()


def test_a_harness_without_pip_asks_the_one_that_its_python_carries(tmp_path, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://x.invalid/simple")
    assert pip_settings.read().variables["UV_DEFAULT_INDEX"] == "https://x.invalid/simple"
