"""Tunings of tiny models of transformers other than classifiers of texts. Runs in an environment with torch."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import GPT2Config, GPT2ForSequenceClassification

from harness.backends.torch_common.tuning.layers import linears
from harness.errors import UserError
from harness.optimization import QuantizationConfig, load, quantize
from harness.optimization.config import APPROACHES
from harness.optimization.metrics import Metric
from harness.optimization.trainer import NLPTrainer

SMALL = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
BERT = {**SMALL, "intermediate_size": 64, "max_position_embeddings": 32}

#: A classifier of texts whose eight products of a layer are no torch.nn.Linear; its head is one.
GPT2 = {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32, "num_labels": 3}


def bert(kind: str, **fields: Any) -> torch.nn.Module:
    """Return a random BERT of transformers' class ``BertKIND``."""
    torch.manual_seed(0)
    config = transformers.BertConfig(**BERT, **fields, initializer_range=0.2)
    return getattr(transformers, f"Bert{kind}")(config).eval()


def gpt2() -> torch.nn.Module:
    """Return a random GPT-2 that classifies."""
    torch.manual_seed(0)
    return GPT2ForSequenceClassification(GPT2Config(**GPT2, pad_token_id=0, initializer_range=0.2)).eval()


def texts(*lengths: int) -> list[dict[str, torch.Tensor]]:
    """Return a batch of four texts for each length, as dynamic padding cuts them."""
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randint(1, 50, (4, length), generator=generator) for length in lengths]
    return [{"input_ids": batch, "attention_mask": torch.ones_like(batch)} for batch in batches]


def tuned(model: torch.nn.Module, batches: list[Any], approach: str, rows: int = 8) -> dict[str, Any]:
    """Quantize all that can be; return what became of it."""
    config = QuantizationConfig(approach=approach, sampling_size=rows, reduce_range=True)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        answer = quantize(model, config, batches, lambda network: 1.0, train=lambda network: None)
    result = answer.tuning_result
    return {
        "status": result.status,
        "message": result.best.message,
        "fallback": list(result.best.recipe.fallback),
        "share": answer.int8_share,
        "warned": [str(one.message) for one in told if str(one.message).startswith("quantize:")],
    }


class Answers(torch.utils.data.Dataset):
    """Random texts of 4 to 12 tokens; a model, given one alone, finds the places of the answer in nine of ten."""

    def __init__(self, model: torch.nn.Module):
        generator = torch.Generator().manual_seed(2)
        self.items = []
        for row in range(60):
            length = int(torch.randint(4, 13, (1,), generator=generator))
            text = torch.randint(1, 50, (length,), generator=generator)
            with torch.no_grad():
                told = model(input_ids=text[None])
            start, end = (int(logits.argmax()) for logits in (told.start_logits, told.end_logits))
            places = {"start_positions": (start + (row % 10 == 0)) % length, "end_positions": end}
            self.items.append({"input_ids": text, "attention_mask": torch.ones_like(text), **places})

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return self.items[row]


def padded(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return a batch as long as its longest text."""
    names = ("input_ids", "attention_mask")
    texts = {name: torch.nn.utils.rnn.pad_sequence([item[name] for item in items], True) for name in names}
    return texts | {name: torch.tensor([item[name] for item in items]) for name in items[0] if name not in names}


def exact(told: Any) -> dict[str, float]:
    """Return the share of answers whose two ends are right."""
    right = [logits.argmax(-1) == places for logits, places in zip(told.predictions, told.label_ids, strict=True)]
    return {"exact": float((right[0] & right[1]).mean())}


def by_trainer(folder: Path) -> dict[str, Any]:
    """Quantize a model that answers questions by its trainer, with dynamic padding; return what became of it."""
    model = bert("ForQuestionAnswering")
    rows = Answers(model)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), use_cpu=True, report_to=[], per_device_eval_batch_size=8
    )
    trainer = NLPTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=padded,
        compute_metrics=exact,
    )
    answer = trainer.quantize(QuantizationConfig(metrics=Metric("exact", criterion=0.5), sampling_size=20))
    result = answer.tuning_result
    return {"status": result.status, "fallback": len(result.best.recipe.fallback)}


def refused(model: torch.nn.Module, batches: list[Any], evaluate: Any = lambda network: 1.0) -> list[str]:
    """Return the type and the message of the error that quantizing ends in."""
    try:
        quantize(model, QuantizationConfig(sampling_size=4), batches, evaluate)
    except (UserError, ValueError) as error:
        return [type(error).__name__, str(error)]
    return ["none", ""]


def saved(folder: Path, approach: str, use_bf16: bool) -> list[Any]:
    """Quantize a GPT-2 of which a part falls back; return how many layers do, and what saving and loading changes.

    That is the largest difference of a logit. What falls back lies the other way than the class has it after QAT.
    """
    batch = texts(6)[0]
    config = QuantizationConfig(approach=approach, sampling_size=4, use_bf16=use_bf16, max_trials=12)
    kept = "transformer.h.0.attn.c_proj"

    def fewer(network: torch.nn.Module) -> float:
        return 1.0 if kept in linears(network) else 0.5

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = quantize(gpt2(), config, [batch], fewer, train=lambda network: None)
    answer.save(folder)
    with torch.no_grad():
        changed = float((load(folder)(**batch).logits - answer(**batch).logits).abs().max())
    return [kept in answer.tuning_result.best.recipe.fallback, changed]


class Wordless(torch.nn.Module):
    """A model whose output holds no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> dict[str, str]:
        return {"answer": str(self.layer(x))}


class MostlyProducts(torch.nn.Module):
    """A model whose work is a product of its own, which is no layer; one small linear layer stands behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(64, 64))
        self.layer = torch.nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x @ self.weight)


def everything(folder: Path) -> dict[str, Any]:
    """Quantize each kind of model in each way."""
    found: dict[str, Any] = {}
    models = {
        "answers": lambda: bert("ForQuestionAnswering"),
        "embeddings": lambda: bert("Model"),
        "labels": lambda: bert("ForSequenceClassification", num_labels=3, problem_type="multi_label_classification"),
        "number": lambda: bert("ForSequenceClassification", num_labels=1),
        "gpt2": gpt2,
    }
    for (name, make), approach in itertools.product(models.items(), APPROACHES):
        found[f"{name} {approach}"] = tuned(make(), texts(5, 9), approach)
    found["one row"] = tuned(bert("ForSequenceClassification", num_labels=1), texts(5), "PostTrainingStatic", rows=1)
    found["mostly products"] = tuned(MostlyProducts().eval(), [torch.randn(8, 64)], "PostTrainingStatic")
    for approach, use_bf16 in itertools.product(APPROACHES, (False, True)):
        found[f"saved {approach} {use_bf16}"] = saved(folder / f"{approach}{use_bf16}", approach, use_bf16)
    classifier = bert("ForSequenceClassification", num_labels=3)
    found["trainer"] = by_trainer(folder / "trainer")
    found["refused"] = {
        "no tensor": refused(Wordless().eval(), [torch.randn(4, 4)]),
        "another argument": refused(classifier, [{"pixel_values": torch.zeros(4, 3)}]),
        "tokens out of range": refused(classifier, [{"input_ids": torch.full((4, 3), 77)}]),
        "no number": refused(classifier, texts(5), lambda network: "good"),
        "no rows": refused(classifier, texts(5), lambda network: iter([{"right": ["yes"]}])),
    }
    return found
