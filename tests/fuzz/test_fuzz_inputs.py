"""Locks, checkpoints, data and descriptions of hosts that others made: used, or refused in one message."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import strategies as st

from harness.errors import StageError, UserError
from harness.execute.environments import pins
from tests.fuzz import hostile
from tests.fuzz.driver import call
from tests.fuzz.explore import explore, require_none

#: A lock's grammar, written down a second time: a pin with the hashes of its archives, or nothing.
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*( --hash=sha256:[0-9a-f]{64})*)?")

#: What one program or another takes for the end of a line.
_ENDS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")

_LINES = (
    *("six==1.16.0", "torch==2.12.1", "# comment", "", "  ", "six == 1.16.0", "a_b.c==1!2.0+cpu  # why"),
    *("-e .", "-e /tmp/x", "--edit /tmp/x", "--editable=/tmp/x"),
    *("--e=/tmp/x", "-r other.txt", "-c other.txt", "-f /tmp/x"),
    *("--index-url http://x.invalid", "-i http://x.invalid"),
    *("--find-links /tmp/x", "--extra-index-url=http://x.invalid"),
    *("--pre", "--no-binary :all:", "--global-option=x", "--config-settings=x", "--trusted-host x", "--hash=sha256:aa"),
    *("/tmp/x", "./x", ".."),
    *("http://x.invalid/x.whl", "git+http://x.invalid/x", "six @ file:///tmp/x", "file:///tmp/x"),
    *("six", "six>=1", "six===1.16.0", "six==1.*", "six==1,!=2", "six[x]==1", "six==1; python_version>'3'", "=six==1"),
    *("# comment \\", "six==1 \\", "\\", "six==\\"),
    *("six==1 --hash=sha256:aa", "six==1\r", "\x0c-e /tmp/x", "six==1\x0b-e ."),
    *("six==1\u2028-e /tmp/x", "# c\x85-e /tmp/x", "# c\x1c-e /tmp/x", "sıx==1"),
    *("six==1\0", "${X}==1", "\ufeffsix==1", "six==" + "1" * 5000),
)  # fmt: skip

locks = st.lists(st.one_of(st.sampled_from(_LINES), st.sampled_from(_LINES[:7]), st.text(max_size=8)), max_size=5).map(
    "\n".join
)


def test_a_lock_holds_pins_and_nothing_else(tries):
    def case(text):
        try:
            pins.pins(pins.lines(text.encode(), "own.txt"), "own.txt")
        except (StageError, UserError):
            return (), repr(text)
        bare = [re.sub(r"(^|\s)#.*", "", line) for line in _ENDS.split(text.replace("\\\n", " "))]
        strange = [line for line in bare if not _PIN.fullmatch(" ".join(line.split()))]
        return tuple(f"accepted: {line!r:.40}" for line in strange[:1]), repr(text)

    require_none(explore(locks, case, 300 * tries["factor"], tries["random"]), 300)


def test_bytes_of_a_lock(sandbox, tries):
    folder = sandbox.project / "conf" / "environment"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.yaml").write_text("name: own\nlock: own.txt\n")

    def case(content):
        (folder / "own.txt").write_bytes(content)
        finished = call(sandbox, "env", "list", *sandbox.places())
        return finished.faults, repr(content)

    examples = st.one_of(
        hostile.damaged(b"# pins\nsix==1.16.0\ntorch==2.12.1\n"),
        locks.map(lambda text: text.encode("utf-8", "replace")),
    )
    findings = explore(examples, case, 20 * tries["factor"], tries["random"])
    (folder / "own.yaml").unlink()
    require_none(findings, 20)


def test_markers_of_built_environments(sandbox, tries):
    folder = sandbox.cache / "environments" / "torch-0123456789ab"
    folder.mkdir(parents=True)
    base = {"name": "torch", "lock": "0123456789abcdef", "size_bytes": 5, "note": None, "files": 2}

    def case(value):
        (folder / "complete.json").write_text(hostile.dumps(value))
        finished = call(sandbox, "env", "list", *sandbox.places())
        return finished.faults, hostile.told(base, value)

    require_none(explore(hostile.changed(base), case, 25 * tries["factor"], tries["random"]), 25)


CONFIG = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "max_position_embeddings": 512,
    "id2label": {"0": "no", "1": "yes"},
    "label2id": {"no": 0, "yes": 1},
    "num_labels": 2,
    "problem_type": "single_label_classification",
    "pad_token_id": 0,
    "eos_token_id": None,
    "vocab_size": 100,
    "hidden_size": 64,
    "image_size": 28,
    "patch_size": 7,
    "num_channels": 1,
}
TOKENIZER_CONFIG = {"pad_token": "[PAD]", "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
SPECIAL = {"pad_token": {"content": "[PAD]", "lstrip": False}}
TOKENIZER = {
    "version": "1.0",
    "model": {"type": "WordPiece", "vocab": {"[PAD]": 0, "[UNK]": 1, "a": 2}, "unk_token": "[UNK]"},
    "added_tokens": [{"id": 0, "content": "[PAD]", "special": True}],
    "padding": None,
}
CHECKPOINT = {
    "config.json": CONFIG,
    "tokenizer_config.json": TOKENIZER_CONFIG,
    "special_tokens_map.json": SPECIAL,
    "tokenizer.json": TOKENIZER,
}

#: Which file of a checkpoint is how.
checkpoint_files = st.sampled_from(("config.json", "config.json", "config.json", *CHECKPOINT)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.one_of(
            hostile.changed(CHECKPOINT[name]).map(hostile.dumps).map(str.encode),
            hostile.changed(CHECKPOINT[name]).map(hostile.dumps).map(str.encode),
            hostile.damaged(json.dumps(CHECKPOINT[name], indent=1).encode()),
        ),
    )
)

ROWS = b"text,label\n" + b"".join(b"text %d of some words,%s\n" % (row, (b"no", b"yes")[row % 2]) for row in range(40))


@pytest.fixture
def own(sandbox):
    """Return the overrides that name the user's own checkpoint and data, which lie in the project."""
    model = sandbox.project / "model"
    model.mkdir(exist_ok=True)
    for name, values in CHECKPOINT.items():
        (model / name).write_text(json.dumps(values))
    (model / "model.safetensors").write_bytes(b"")
    (sandbox.project / "rows.csv").write_bytes(ROWS)
    return (
        *("suite=small", "model=custom", f"model.source.path={model}", "task=custom"),
        *(f"task.source.path={sandbox.project / 'rows.csv'}", "task.split.held_out=10"),
    )


def test_the_undamaged_checkpoint_can_be_planned(sandbox, own):
    finished = call(sandbox, "plan", *sandbox.places(), *own)
    assert (finished.status, finished.faults) == (0, ()), finished.stdout + finished.stderr


def test_checkpoints(sandbox, own, tries):
    def case(example):
        name, content = example
        path = sandbox.project / "model" / name
        path.write_bytes(content)
        finished = call(sandbox, "plan", *sandbox.places(), *own)
        path.write_text(json.dumps(CHECKPOINT[name]))
        try:
            shown = hostile.told(CHECKPOINT[name], json.loads(content))
        except (ValueError, RecursionError):
            shown = repr(content[:200])
        return finished.faults, f"{name}: {shown}"

    require_none(explore(checkpoint_files, case, 130 * tries["factor"], tries["random"]), 130)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_data(sandbox, own, tries, suffix):
    path = sandbox.project / f"rows.{suffix}"
    rows = ROWS.replace(b",", b"\t") if suffix == "tsv" else ROWS
    if suffix == "jsonl":
        rows = b"".join(b'{"text": "text %d", "label": "%s"}\n' % (row, (b"no", b"yes")[row % 2]) for row in range(40))
    overrides = [text.replace("rows.csv", path.name) for text in own]

    def case(content):
        path.write_bytes(content)
        finished = call(sandbox, "plan", *sandbox.places(), *overrides)
        return finished.faults, repr(content[:300])

    require_none(explore(hostile.damaged(rows), case, 30 * tries["factor"], tries["random"]), 27)


def test_hosts(sandbox, tries):
    told = call(sandbox, "doctor", "--json")
    base = json.loads(told.stdout)
    path = sandbox.project / "host.json"

    def case(example):
        command, value = example
        path.write_text(hostile.dumps(value))
        words = ("doctor",) if command == "doctor" else ("plan", *sandbox.places(), "suite=small")
        finished = call(sandbox, *words, "--host", str(path))
        return finished.faults, f"{command}: {hostile.told(base, value)}"

    examples = st.tuples(st.sampled_from(("doctor", "plan")), hostile.changed(base, depth=5))
    require_none(explore(examples, case, 80 * tries["factor"], tries["random"]), 80)
