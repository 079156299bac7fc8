"""Loads a network without scikit-learn, and uses scikit-learn afterwards."""

import json
import sys

from harness.worker.timing.import_clock import without

with without("sklearn"):
    from transformers import AutoModelForSequenceClassification, BertConfig

    AutoModelForSequenceClassification.from_config(BertConfig(hidden_size=8, num_attention_heads=2))
before = [name for name in ("sklearn", "scipy.stats", "pandas") if name in sys.modules]
import sklearn.metrics

print(json.dumps([before, float(sklearn.metrics.f1_score([0, 1], [0, 1]))]))
