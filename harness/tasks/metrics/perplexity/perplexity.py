"""Perplexity, as a local module of `evaluate`, whose own modules come from a hub at run time."""

import math

import datasets
import evaluate
import numpy as np

_DESCRIPTION = "The exponential of the mean negative log-likelihood of a token: among so many a model is undecided."

_INPUTS = """
Args:
    predictions: each row's mean negative log-likelihood of its predicted tokens, in nats.
    references: how many tokens of each row were predicted.
Returns:
    perplexity: float, from 1.
"""

_CITATION = """\
@article{jelinek1977perplexity,
  title={Perplexity, a measure of the difficulty of speech recognition tasks},
  author={Jelinek, Fred and Mercer, Robert L. and Bahl, Lalit R. and Baker, James K.},
  journal={The Journal of the Acoustical Society of America},
  volume={62},
  number={S1},
  pages={S63},
  year={1977}
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _INPUTS)
class Perplexity(evaluate.Metric):
    """Perplexity over all predicted tokens; lower is better."""

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("float64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": value, "references": value}),
            reference_urls=["https://doi.org/10.1121/1.2016299"],
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        try:
            return {"perplexity": math.exp(float(np.average(predictions, weights=references)))}
        except OverflowError:
            return {"perplexity": math.inf}
