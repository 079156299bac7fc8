"""The stage `finetune`: it repeats itself bit for bit, learns, and leaves alone what it should."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.approaches.training import LOSS_STEPS, batches, learning_rate_share
from harness.config.schema import FineTuneConfig
from harness.data.token_rows import Rows
from tests.backend_env import environment_python, run_in

VOCABULARY = 60
STEPS = 60  # 10 epochs of 96 rows in batches of 16

_SHARED = """
import hashlib, io, math, shutil
from pathlib import Path
from types import SimpleNamespace
import torch
from transformers import (BertConfig, BertModel, BertForSequenceClassification, BertTokenizerFast, GPT2Config,
                          GPT2ForSequenceClassification)
from harness.errors import StageError
from harness.config.cell import from_dict
from harness.config.schema import FineTuneConfig, ModelConfig
from harness.worker.stages import finetune
from harness.ipc.report import Report
from harness.data.token_rows import Rows
from safetensors.torch import load_file

base, out = Path(ARGS[0]), Path(ARGS[1])
SIZES = dict(vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
             max_position_embeddings=16, initializer_range=0.1)

def run(name, model="encoder", fine_tuned=False, tokenised=base, **changes):
    (out / name).mkdir(parents=True)
    config = from_dict(FineTuneConfig, {**ARGS[2], **changes})
    model_config = ModelConfig(name="tiny", fine_tuned=fine_tuned)
    cell = SimpleNamespace(task=SimpleNamespace(fine_tune=config, labels=None), model=model_config)
    spec = {"inputs": {"model": str(base / model), "tokenised": str(tokenised)}, "out": str(out / name), "threads": 2}
    try:
        told = finetune.run(spec, cell, Report(io.StringIO()))
    except StageError as error:
        return {"kind": error.kind, "message": error.message}
    return {**told, "sha256": hashlib.sha256((out / name / "model.safetensors").read_bytes()).hexdigest()}
"""

_FIRST = (
    _SHARED
    + """
torch.manual_seed(0)
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{word}" for word in range(55))]
for folder in ("encoder", "headed"):
    (base / folder).mkdir()
    (base / folder / "vocab.txt").write_text("\\n".join(words))
    BertTokenizerFast(str(base / folder / "vocab.txt"), model_max_length=16).save_pretrained(base / folder)
BertModel(BertConfig(**SIZES)).save_pretrained(base / "encoder")
headed = BertForSequenceClassification(BertConfig(**SIZES, id2label={0: "yes", 1: "no"}, label2id={"yes": 0, "no": 1}))
headed.save_pretrained(base / "headed")

found = {"learns": run("learns"), "other seed": run("other seed", seed=1, epochs=1.0)}
found["same seed, short"] = run("same seed, short", epochs=1.0)
rows = Rows.load(base / "evaluation.npz")
network = BertForSequenceClassification.from_pretrained(out / "learns").eval()
with torch.no_grad():
    inputs = {name: torch.from_numpy(array) for name, array in rows.batch(range(len(rows))).items()}
    found["right"] = float((network(**inputs).logits.argmax(1).numpy() == rows.labels).mean())
found["written"] = sorted(path.name for path in (out / "learns").iterdir())
found["names"] = network.config.id2label

found["frozen"] = run("frozen", frozen=["embeddings", "encoder.layer.0."], epochs=1.0)
before, after = load_file(base / "encoder" / "model.safetensors"), load_file(out / "frozen" / "model.safetensors")
found["same bits"] = {name: torch.equal(value, after[f"bert.{name}"]) for name, value in before.items()}

found["regression"] = run("regression", tokenised=base / "numbers", frozen=[], epochs=20.0)

# One step, held against the definition of Adam with decoupled weight decay: its first step has the size of the
# learning rate whatever the gradient, and what decays shrinks by the learning rate times the decay.
headed.eval()
start = {name: value.clone() for name, value in headed.state_dict().items()}
train = Rows.load(base / "train.npz")
one_step = {"epochs": 16 / len(train), "learning_rate": 0.001, "weight_decay": 0.5, "frozen": []}
finetune.train(headed, train, from_dict(FineTuneConfig, {**ARGS[2], **one_step}), Report(io.StringIO()))
moved = {"decayed": 0.0, "not decayed": 0.0, "without decay": 0.0}
for name, value in headed.named_parameters():
    change, decay = value.detach() - start[name], 0.001 * 0.5 * start[name]
    if value.ndim > 1:
        moved["decayed"] = max(moved["decayed"], (change + decay).abs().max().item())
        moved["without decay"] = max(moved["without decay"], change.abs().max().item())
    else:
        moved["not decayed"] = max(moved["not decayed"], change.abs().max().item())
found["moved"] = moved

found["fine-tuned"] = run("fine-tuned", model="headed", fine_tuned=True)
head, swapped = (load_file(folder / "model.safetensors")["classifier.weight"].tolist()
                 for folder in (base / "headed", out / "fine-tuned"))
found["heads"] = [head, swapped]

# A decoder without a pad token: its head refuses batches until it is told which tokens are padding.
decoder = GPT2ForSequenceClassification(GPT2Config(
    vocab_size=60, n_positions=16, n_embd=32, n_layer=1, n_head=2, bos_token_id=2, eos_token_id=3,
    initializer_range=0.1, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1}))
shutil.copytree(base / "headed", base / "decoder", ignore=shutil.ignore_patterns("config.json", "model.safetensors"))
decoder.save_pretrained(base / "decoder")
found["decoder"] = run("decoder", model="decoder", fine_tuned=True, tokenised=base / "padded")
network = GPT2ForSequenceClassification.from_pretrained(out / "decoder").eval()
padded = Rows.load(base / "padded" / "train.npz")

def decoded(indices):
    batch = padded.batch(indices)
    with torch.no_grad():
        return network(**{name: torch.from_numpy(batch[name]) for name in ("input_ids", "attention_mask")}).logits

found["batched"] = [decoded(range(8)).tolist(), torch.cat([decoded([row]) for row in range(8)]).tolist()]

found["wrong prefix"] = run("wrong prefix", frozen=["embedings"])
found["no step"] = run("no step", epochs=0.0)
broken = shutil.copytree(base / "encoder", base / "broken")
weights = BertModel.from_pretrained(broken)
with torch.no_grad():
    weights.embeddings.word_embeddings.weight.fill_(float("nan"))
weights.save_pretrained(broken)
found["nan"] = run("nan", model="broken")
print(json.dumps(found))
"""
)

_AGAIN = (
    _SHARED
    + """
torch.manual_seed(99)
torch.randn(1000)
print(json.dumps(run("learns")))
"""
)


def make_rows(count: int, seed: int) -> Rows:
    """Return rows of 3 to 12 words; two of them are telling ones: of 5 to 9 for label 0, of 10 to 14 for label 1."""
    generator = np.random.RandomState(seed)
    rows, labels = [], np.arange(count) % 2
    for label in labels:
        words = generator.randint(15, VOCABULARY, generator.randint(3, 13))
        words[generator.permutation(len(words))[:2]] = generator.randint(5, 10, 2) + 5 * label
        rows.append([2, *words, 3])
    return Rows(
        input_ids=np.concatenate(rows),
        token_type_ids=np.zeros(sum(map(len, rows)), np.int64),
        offsets=np.cumsum([0, *map(len, rows)]),
        labels=labels,
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("finetune")
    train, evaluation = make_rows(96, 0), make_rows(60, 1)
    train.save(base / "train.npz")
    evaluation.save(base / "evaluation.npz")
    (base / "task.json").write_text(json.dumps({"kind": "classification", "labels": ["no", "yes"], "max_length": 16}))
    (base / "numbers").mkdir()
    numbers = dataclasses.replace(train, labels=(train.labels * 4 - 1).astype(np.float32))
    numbers.save(base / "numbers" / "train.npz")
    (base / "numbers" / "task.json").write_text(json.dumps({"kind": "regression", "labels": [], "max_length": 16}))
    (base / "padded").mkdir()
    dataclasses.replace(train, pad_id=3).save(base / "padded" / "train.npz")
    facts = {"kind": "classification", "labels": ["no", "yes"], "max_length": 16, "pad_id": 3}
    (base / "padded" / "task.json").write_text(json.dumps(facts))
    return base


CONFIG = FineTuneConfig(epochs=10.0, learning_rate=2e-3, batch_size=16, frozen=("embeddings.position",))


@pytest.fixture(scope="module")
def tuned(base: Path) -> dict[str, Any]:
    return run_in(environment_python("torch"), _FIRST, base, base / "first", dataclasses.asdict(CONFIG))


@pytest.mark.backend("torch")
def test_another_process_gives_the_same_checkpoint_bit_for_bit(base, tuned):
    again = run_in(environment_python("torch"), _AGAIN, base, base / "second", dataclasses.asdict(CONFIG))
    assert again["sha256"] == tuned["learns"]["sha256"]
    assert again["losses"] == tuned["learns"]["losses"]


@pytest.mark.backend("torch")
def test_the_seed_decides_the_checkpoint(tuned):
    assert tuned["other seed"]["sha256"] != tuned["same seed, short"]["sha256"]


@pytest.mark.backend("torch")
def test_the_loss_falls_and_rows_never_seen_are_told_apart(tuned):
    losses = tuned["learns"]["losses"]
    assert tuned["learns"]["steps"] == STEPS
    assert len(losses) == STEPS / LOSS_STEPS
    assert losses[0] > losses[-1]
    assert losses[-1] < 0.5 * np.log(2)  # half of what a coin gives
    assert tuned["right"] > 0.8


@pytest.mark.backend("torch")
def test_a_checkpoint_is_whole(tuned):
    assert {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"} <= set(tuned["written"])
    assert not [name for name in tuned["written"] if name.endswith((".bin", ".pt", ".pkl"))]
    assert tuned["names"] == {"0": "no", "1": "yes"}


@pytest.mark.backend("torch")
def test_frozen_weights_keep_their_bits_and_the_others_move(tuned):
    same = tuned["same bits"]
    frozen = [name for name in same if name.startswith(("embeddings", "encoder.layer.0."))]
    # The gradient of a key's bias is nought: softmax does not see what is added to all scores of a query.
    free = [name for name in same if name not in frozen and not name.endswith("key.bias")]
    assert len(frozen) == 5 + 16
    assert [name for name in frozen if not same[name]] == []
    assert [name for name in free if same[name]] == []


@pytest.mark.backend("torch")
def test_a_regression_learns_its_numbers(tuned):
    # Labels are -1 and 3: whoever says their mean is wrong by 4, squared.
    losses = tuned["regression"]["losses"]
    assert losses[-1] < 2 < losses[0]


@pytest.mark.backend("torch")
def test_the_first_step_is_adams_with_decay_of_matrices_only(tuned):
    moved = tuned["moved"]
    assert moved["decayed"] == pytest.approx(1e-3, rel=1e-3)
    assert moved["not decayed"] == pytest.approx(1e-3, rel=1e-3)
    assert moved["without decay"] > 1.01e-3


@pytest.mark.backend("torch")
def test_a_fine_tuned_model_is_not_trained_but_put_in_the_tasks_order(tuned):
    assert (tuned["fine-tuned"]["steps"], tuned["fine-tuned"]["losses"]) == (0, [])
    (yes, no), swapped = tuned["heads"]
    assert swapped == [no, yes]
    told = {"how": "name", "labels": ["no", "yes"], "outputs": [1, 0], "output_names": ["no", "yes"]}
    assert tuned["fine-tuned"]["label_matching"] == told
    assert tuned["learns"]["label_matching"] is None


@pytest.mark.backend("torch")
def test_a_decoder_without_a_pad_token_takes_batches_and_answers_as_for_single_rows(tuned):
    assert tuned["decoder"]["label_matching"]["how"] == "name"
    batched, single = map(np.array, tuned["batched"])
    assert batched == pytest.approx(single, abs=1e-5)


@pytest.mark.backend("torch")
@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ("wrong prefix", "bad_config", "'embedings' names no weight below embeddings, encoder, pooler"),
        ("no step", "bad_config", "task.fine_tune.epochs=0.0"),
        ("nan", "nan", "fine-tuning step 1 of 60"),
    ],
)
def test_what_cannot_be_trained_has_a_named_failure(tuned, case, kind, says):
    assert (tuned[case].get("kind"), says in tuned[case].get("message", "")) == (kind, True), tuned[case]


LENGTHS = st.lists(st.integers(1, 128), min_size=1, max_size=200).map(np.array)


@given(lengths=LENGTHS, batch_size=st.integers(1, 40), epochs=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_every_epoch_sees_each_row_once(lengths, batch_size, epochs, seed):
    in_epoch = -(-len(lengths) // batch_size)
    drawn = list(batches(lengths, batch_size, epochs * in_epoch, seed))
    assert len(drawn) == epochs * in_epoch
    for epoch in range(epochs):
        part = drawn[epoch * in_epoch : (epoch + 1) * in_epoch]
        assert sorted(np.concatenate(part)) == list(range(len(lengths)))
        assert sum(len(batch) < batch_size for batch in part) <= 1


@given(lengths=LENGTHS, batch_size=st.integers(1, 40), steps=st.integers(0, 30), seed=st.integers(0, 2**32 - 1))
def test_batches_depend_on_the_seed_alone_and_end_after_the_steps(lengths, batch_size, steps, seed):
    once, again = (list(batches(lengths, batch_size, steps, seed)) for _ in range(2))
    assert len(once) == steps
    assert all(np.array_equal(left, right) for left, right in zip(once, again, strict=True))


def test_a_batch_holds_rows_of_like_length():
    lengths = np.random.RandomState(0).randint(1, 129, 1024)  # one bucket of 32 batches of 32
    spread = [lengths[batch].max() - lengths[batch].min() for batch in batches(lengths, 32, 32, 0)]
    by_chance = lengths.reshape(32, 32)
    assert np.mean(spread) < 0.1 * np.mean(by_chance.max(axis=1) - by_chance.min(axis=1))


@given(warmup=st.integers(1, 50), rest=st.integers(1, 200))
def test_the_learning_rate_rises_to_one_and_falls_to_nought(warmup, rest):
    steps = warmup + rest
    shares = [learning_rate_share(step, warmup, steps) for step in range(steps + 2)]
    assert shares[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert shares[warmup : steps + 1] == pytest.approx([1 - step / rest for step in range(rest + 1)])
    assert max(shares) == shares[warmup - 1] == 1
    assert shares[steps:] == [0, 0]
    # Two triangles: the mean share of a whole training is that of the closed form.
    assert sum(shares) == pytest.approx((warmup + 1) / 2 + (rest + 1) / 2)
