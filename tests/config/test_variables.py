"""Which environment variables a config may set: those that a backend takes, none that leads to code or a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backends.base import backend_class
from harness.config.schema import BackendConfig
from harness.config.variables import COMMON
from harness.errors import StageError, UserError
from harness.plan.catalogue import Catalogue, catalogue
from harness.plan.compose import environment, options
from harness.plan.domains import check_domains
from harness.plan.matrix import make_plan

BACKENDS = catalogue().names("backend")

#: Variables by which a process of each backend would load a library or run a file of somebody's.
HARMFUL = (
    *("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONBREAKPOINT", "PYTHONUSERBASE", "LD_PRELOAD"),
    *("LD_LIBRARY_PATH", "LD_AUDIT", "HOME", "GCONV_PATH", "BASH_ENV", "CXX", "CC", "HF_HOME", "HF_ENDPOINT", "TMPDIR"),
    *("OMP_TOOL_LIBRARIES", "TORCHINDUCTOR_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "TORCH_HOME", "TORCH_LOGS_OUT"),
    *("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", "TF_DUMP_GRAPH_PREFIX", "OV_FRONTEND_PATH", "MKL_VERBOSE_OUTPUT_FILE"),
    *("MALLOC_TRACE", "HARNESS_CACHE", "PIP_INDEX_URL", "UV_INDEX", "GIT_DIR", "XDG_CACHE_HOME", "ld_preload"),
)


def _check(backend: str, **fields) -> None:
    check_domains(BackendConfig(name=backend, environment="torch", **fields), "backend")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", HARMFUL)
def test_no_config_sets_a_variable_that_leads_to_code(backend, name):
    for value in ("/tmp/x", "x.so", ""):
        with pytest.raises(UserError, match=rf"^backend\.variables: .*{name}"):
            _check(backend, variables={name: value})
        with pytest.raises(UserError, match=rf"^backend\.isa_variables\.avx2: .*{name}"):
            _check(backend, isa_variables={"avx2": {name: value}})


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_shipped_and_the_usual_knobs_are_taken(backend):
    (option,) = options(catalogue(), "backend", backend, {})
    check_domains(option.config, "backend")
    own = {
        "OMP_WAIT_POLICY": "ACTIVE",
        "KMP_AFFINITY": "granularity=fine,compact,1,0",
        "GOMP_CPU_AFFINITY": "0-3 8",
        "ONEDNN_VERBOSE": "1",
        "MALLOC_ARENA_MAX": "2",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.tcache_count=0",
    }
    assert all(name.startswith(COMMON) for name in own)
    _check(backend, variables=own | {f"{prefix}X": "1" for prefix in backend_class(backend).variables})


@pytest.mark.parametrize(("backend", "name"), [("eager", "TF_X"), ("tensorflow", "ITEX_X"), ("openvino", "ORT_X")])
def test_a_backend_takes_none_of_another_s(backend, name):
    with pytest.raises(UserError, match=f"backend {backend} takes no variable {name}; want one that begins with OMP_"):
        _check(backend, variables={name: "1"})


@pytest.mark.parametrize("name", ["A=B", "", "A B", "A-B", "1A", "\u00c4"])
def test_what_is_no_name_of_a_variable_is_said_in_one_line(name):
    with pytest.raises(UserError, match="is no variable; want NAME: VALUE") as error:
        _check("eager", variables={name: "1"})
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["A\0", "OMP_\n"])
def test_a_name_of_control_characters_is_said_in_one_line(name):
    with pytest.raises(UserError, match="want text without control characters") as error:
        _check("eager", variables={name: "1"})
    assert len(str(error.value).splitlines()) == 1


@given(st.text(min_size=1), st.text())
def test_no_value_that_is_accepted_names_a_path(name, value):
    try:
        _check("eager", variables={f"OMP_{name}": value})
    except UserError as error:
        assert str(error).startswith("backend.variables")
    else:
        assert not set(f"{name}{value}") & set("/\\~$`\0\n") and "=" not in name


@pytest.mark.parametrize(
    "override",
    ["backend.variables={LD_PRELOAD:x.so}", "backend.variables.PYTHONPATH=x", "backend.isa_variables.avx2.PATH=x"],
)
def test_an_override_sets_none_either(override):
    with pytest.raises(UserError, match="so no config may set it"):
        make_plan(catalogue(), ["suite=quickstart", "task=sentiment", "backend=eager", override])


def test_an_environment_may_have_variables_of_its_own_but_none_of_these(tmp_path):
    folder = tmp_path / "conf" / "environment"
    folder.mkdir(parents=True)
    (folder / "tiny.txt").write_text("a==1\n")
    for variables, words in (("{TINY: x}", None), ("{PYTHONPATH: x}", "PYTHONPATH"), ("{LD_PRELOAD: x}", "LD_PRELOAD")):
        (folder / "tiny.yaml").write_text(f"name: tiny\nlock: tiny.txt\nvariables: {variables}\n")
        if words is None:
            assert environment(Catalogue((tmp_path / "conf",), ()), "tiny")[0].variables == {"TINY": "x"}
        else:
            with pytest.raises(UserError, match=rf"environment\.variables: {words} decides which code"):
                environment(Catalogue((tmp_path / "conf",), ()), "tiny")


@pytest.mark.parametrize(
    "line", ["python: ../../tmp/x", "python: '3.11 -c x'", "lock: ../tiny.txt", "lock: /tmp/tiny.txt"]
)
def test_an_environment_names_a_version_and_a_file_beside_it(tmp_path, line):
    folder = tmp_path / "conf" / "environment"
    folder.mkdir(parents=True)
    fields = {"name": "tiny", "lock": "tiny.txt"} | dict([line.split(": ", 1)])
    (folder / "tiny.yaml").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
    with pytest.raises(UserError, match=rf"^environment\.{line.split(':')[0]}="):
        environment(Catalogue((tmp_path / "conf",), ()), "tiny")


@pytest.mark.parametrize("name", ["../eager", "/tmp/eager", "base", "eager.x", "", "torch_recipe", "no", "\0"])
def test_a_backend_that_is_none_of_ours_is_named(name):
    with pytest.raises(StageError, match=r"^backend\.name: no backend '") as error:
        backend_class(name)
    assert error.value.kind == "bad_config"


@pytest.mark.parametrize("name", ["../environment/torch", "a/../torch", "/etc/passwd", "torch\0"])
def test_a_name_leads_into_no_other_folder(name):
    with pytest.raises(UserError, match="no such option"):
        catalogue().require("environment", name)
