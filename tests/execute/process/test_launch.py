"""A child may do anything: each way to end has its name, and nothing of it is left behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import FAILURE_KINDS
from harness.execute.process import launch as launching
from harness.execute.process.alone import alone
from harness.execute.process.import_closure import PACKAGE
from harness.ipc import messages
from tests.backend_env import REPOSITORY
from tests.execute.process.stand_ins import is_gone, program, run


def test_a_result_its_progress_and_its_resources(tmp_path):
    body = """
spec = json.load(sys.stdin)
send('{"event": "progress", "stage": "measure", "done": 1, "total": 2, "note": "half"}\\n')
end = time.process_time() + 0.2
while time.process_time() < end:
    pass
result(seed=spec["seed"], at_end=sys.stdin.read())
"""
    told = []
    outcome = run(program(tmp_path, body), tmp_path, on_progress=told.append, seed=7)
    assert (outcome.status, outcome.message, outcome.values) == ("ok", "", {"seed": 7, "at_end": ""})
    assert [(event["stage"], event["done"], event["total"], event["note"]) for event in told] == [
        ("measure", 1, 2, "half")
    ]
    assert 0.2 <= outcome.user_seconds + outcome.system_seconds < outcome.wall_seconds + 0.1
    assert outcome.max_rss_bytes > 2**20


def test_a_child_finds_the_package_and_nothing_that_lies_beside_it(tmp_path):
    body = """
path = os.environ["PYTHONPATH"]
result(there=os.listdir(path), inside=os.path.exists(path + "/harness/worker/__main__.py"))
"""
    # Beside an installed package lie the parent's numpy and pandas, built for another Python.
    assert run(program(tmp_path, body), tmp_path).values == {"there": ["harness"], "inside": True}


def test_what_is_printed_is_no_message(tmp_path):
    body = """
print('{"event": "result", "values": {"from": "stdout"}}', flush=True)
os.write(2, bytes(range(256)) * 100)
result(real=True)
"""
    outcome = run(program(tmp_path, body), tmp_path)
    assert (outcome.status, outcome.values) == ("ok", {"real": True})
    assert '"stdout"' in (tmp_path / "child.log").read_bytes().decode(errors="replace")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"hello\n",
        b"[1, 2]\n",
        b"null\n",
        b"\xff\xfe\x00\n",
        b"[" * 100_000 + b"\n",
        b'{"event": "dance"}\n',
        b'{"event": ["result"]}\n',
        b'{"event": "result"}\n',
        b'{"event": "result", "values": [1]}\n',
        b'{"event": "result", "values": {"x": NaN}}\n',
        b'{"event": "progress", "stage": "measure", "done": "many", "total": 1}\n',
        b'{"event": "failure", "kind": "oom", "message": null}\n',
        b'{"event": "result", "values": {"cut": "o',
    ],
    ids=range(13),
)
def test_rubbish_on_the_pipe(tmp_path, rubbish):
    outcome = run(program(tmp_path, f"send({rubbish!r})"), tmp_path)
    assert outcome.status == "protocol", outcome
    assert outcome.values == {}


def test_a_failure_keeps_its_kind_and_the_end_of_the_log(tmp_path):
    body = """print("why", flush=True); send('{"event": "failure", "kind": "bad_labels", "message": "x: 9"}\\n')"""
    outcome = run(program(tmp_path, body), tmp_path)
    assert (outcome.status, outcome.message, outcome.log_tail) == ("bad_labels", "x: 9", "why\n")


def test_an_unknown_kind_of_failure_becomes_error(tmp_path):
    body = """send('{"event": "failure", "kind": "boredom", "message": "x"}\\n')"""
    outcome = run(program(tmp_path, body), tmp_path)
    assert outcome.status == "error"
    assert outcome.status in FAILURE_KINDS


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("pass", "crash", "exit 0 without a result"),
        ("sys.exit(3)", "crash", "exit 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crash", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 3)", "crash", "signal"),
        # Died in the middle of its last message: that is what matters, not that the message is cut off.
        ('send(\'{"event": "res\'); os.kill(os.getpid(), signal.SIGSEGV)', "crash", "SIGSEGV"),
        ("sys.stderr.write('libfoo: std::bad_alloc\\n'); os.abort()", "oom", "SIGABRT"),
        ("bytearray(2**62)", "oom", "memory"),
        ("import no_such_framework", "import_error", "no_such_framework"),
    ],
)
def test_an_end_without_a_last_word(tmp_path, body, kind, words):
    outcome = run(program(tmp_path, body), tmp_path)
    assert outcome.status == kind
    assert words in outcome.message


def test_an_unrefusable_signal_is_named_whoever_sent_it(tmp_path):
    outcome = run(program(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)"), tmp_path)
    assert outcome.status in ("crash", "oom")  # oom where the kernel's counts cannot be read
    assert "SIGKILL" in outcome.message


def test_what_an_earlier_child_has_logged_is_not_this_ones(tmp_path):
    (tmp_path / "child.log").write_text("MemoryError\n")
    outcome = run(program(tmp_path, "sys.exit(3)"), tmp_path)
    assert outcome.status == "crash"
    assert "MemoryError" not in outcome.log_tail


@pytest.mark.slow
def test_at_the_time_limit_the_whole_group_is_ended(tmp_path):
    body = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open({str(tmp_path / "pids")!r}, "w") as stream:
    print(os.getpid(), grandchild(), file=stream)
time.sleep(600)
"""
    outcome = run(program(tmp_path, body), tmp_path, limit=1)
    assert outcome.status == "timeout"
    assert "1 s" in outcome.message
    assert all(is_gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_chatty_child_meets_the_time_limit_too(tmp_path):
    body = """
while True:
    send('{"event": "progress", "stage": "measure", "done": 1, "total": 2}\\n')
"""
    assert run(program(tmp_path, body), tmp_path, limit=1).status == "timeout"


def test_a_child_that_reads_nothing_does_not_hold_up_the_parent(tmp_path):
    # Larger than any pipe's buffer: a parent that writes it to a pipe would never come to look at the time.
    options = {"predictions": [0] * 2_000_000}
    assert run(program(tmp_path, "time.sleep(600)"), tmp_path, limit=1, options=options).status == "timeout"


def test_grandchildren_end_with_a_child_that_has_succeeded(tmp_path):
    outcome = run(program(tmp_path, "result(pid=grandchild())"), tmp_path)
    assert outcome.status == "ok"
    assert is_gone(outcome.values["pid"])


def test_a_grandchild_that_holds_the_pipe_does_not_hide_a_crash(tmp_path):
    body = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(grandchild())); os.kill(os.getpid(), signal.SIGSEGV)"
    outcome = run(program(tmp_path, body), tmp_path, limit=120)
    assert outcome.status == "crash"
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_child_that_closes_its_pipe_and_goes_on_has_crashed(tmp_path, monkeypatch):
    monkeypatch.setattr(messages, "CLOSED_SECONDS", 0.2)
    outcome = run(program(tmp_path, "os.close(descriptor); time.sleep(600)"), tmp_path, limit=120)
    assert outcome.status == "crash"
    assert "closed its pipe" in outcome.message


def test_a_child_that_does_not_end_after_its_result_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(launching, "FAREWELL_SECONDS", 0.2)
    outcome = run(program(tmp_path, "result(pid=os.getpid()); time.sleep(600)"), tmp_path, limit=120)
    assert outcome.status == "ok"
    assert is_gone(outcome.values["pid"])


def test_an_exception_of_the_parent_ends_the_child(tmp_path):
    pids = []

    def interrupt(event):
        pids.append(event["done"])
        raise KeyboardInterrupt

    body = """
send(json.dumps({"event": "progress", "stage": "measure", "done": os.getpid(), "total": 0}) + "\\n")
time.sleep(600)
"""
    with pytest.raises(KeyboardInterrupt):
        run(program(tmp_path, body), tmp_path, on_progress=interrupt)
    assert is_gone(pids[0])


def test_an_interrupt_while_the_parent_waits_ends_child_and_grandchild(tmp_path):
    body = f"""
with open({str(tmp_path / "pids.new")!r}, "w") as stream:
    print(os.getpid(), grandchild(), file=stream)
os.rename({str(tmp_path / "pids.new")!r}, {str(tmp_path / "pids")!r})
time.sleep(600)
"""
    program(tmp_path, body)
    # Whoever runs these tests in the background has them, and their children, ignore interrupts.
    source = f"""
import signal
from pathlib import Path
from tests.execute.process.stand_ins import run
signal.signal(signal.SIGINT, signal.default_int_handler)
run(Path({str(tmp_path / "stand-in")!r}), Path({str(tmp_path)!r}), limit=600)
"""
    parent = subprocess.Popen([sys.executable, "-c", source], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "pids").exists():
        assert parent.poll() is None, parent.stderr.read()
    parent.send_signal(signal.SIGINT)
    _, error = parent.communicate(timeout=60)
    assert "KeyboardInterrupt" in error
    assert all(is_gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_only_the_named_variables_reach_a_child(tmp_path, monkeypatch):
    for name in ("OMP_WAIT_POLICY", "MKL_VERBOSE", "ONEDNN_VERBOSE", "LD_PRELOAD_X", "PYTHONPATH", "PYTHONHASHSEED"):
        monkeypatch.setenv(name, "leaked")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:1")
    outcome = run(program(tmp_path, "result(variables=dict(os.environ))"), tmp_path)
    variables = outcome.values["variables"]
    assert set(variables) <= {*launching.PASSED_ON, *launching.FIXED, "PYTHONPATH", "OMP_NUM_THREADS"}
    assert "leaked" not in variables.values()
    assert variables["https_proxy"] == "http://proxy.invalid:1"
    assert variables["PATH"] == os.environ["PATH"]
    assert variables["PYTHONHASHSEED"] == "0"
    assert variables["PYTHONPATH"] == str(alone(PACKAGE))
    assert variables["OMP_NUM_THREADS"] == "1"


def test_a_child_leads_its_own_process_group_and_sees_no_descriptor_of_the_parent(tmp_path):
    body = """
result(group=os.getpgid(0), session=os.getsid(0), pid=os.getpid(), open=sorted(map(int, os.listdir("/proc/self/fd"))))
"""
    outcome = run(program(tmp_path, body), tmp_path)
    assert outcome.values["group"] == outcome.values["session"] == outcome.values["pid"]
    assert len(outcome.values["open"]) <= 5  # three, the pipe, and the folder being listed


def test_a_python_that_is_not_there(tmp_path):
    outcome = run(tmp_path / "bin" / "python", tmp_path)
    assert outcome.status == "environment"
    assert str(tmp_path / "bin" / "python") in outcome.message


def test_nothing_is_left_open_or_unreaped(tmp_path):
    silent, gone = program(tmp_path, "pass"), tmp_path / "none"
    run(silent, tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for python in (silent, gone):
        run(python, tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.slow
def test_the_parent_sleeps_while_the_child_works(tmp_path):
    python = program(tmp_path, "time.sleep(json.load(sys.stdin)['seed']); result()")
    used = {}
    for seconds in (0, 2):
        before = resource.getrusage(resource.RUSAGE_SELF)
        assert run(python, tmp_path, seed=seconds).status == "ok"
        after = resource.getrusage(resource.RUSAGE_SELF)
        used[seconds] = (
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            after.ru_nvcsw - before.ru_nvcsw,
        )
    # A busy wait would cost 2 s, a look every 50 ms some 40 switches.
    assert used[2][0] - used[0][0] < 0.2
    assert used[2][1] - used[0][1] < 20


def test_a_log_on_a_full_disk(tmp_path):
    (tmp_path / "child.log").symlink_to(Path("/dev/full"))
    outcome = run(program(tmp_path, "print('x', flush=True)"), tmp_path)
    assert outcome.status in FAILURE_KINDS
