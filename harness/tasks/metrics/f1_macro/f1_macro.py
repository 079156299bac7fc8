"""Macro-averaged F1, as a local module of `evaluate`, whose own modules come from a hub at run time."""

import datasets
import evaluate
from sklearn.metrics import f1_score

_DESCRIPTION = "The unweighted mean over the classes of the harmonic mean of precision and recall."

_INPUTS = """
Args:
    predictions: class indices, one a row.
    references: class indices, one a row.
Returns:
    f1_macro: float, from 0 to 1.
"""

_CITATION = """\
@article{pedregosa2011scikit,
  title={Scikit-learn: Machine Learning in {P}ython},
  author={Pedregosa, F. and Varoquaux, G. and Gramfort, A. and Michel, V. and others},
  journal={Journal of Machine Learning Research},
  volume={12},
  pages={2825--2830},
  year={2011}
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _INPUTS)
class F1Macro(evaluate.Metric):
    """Mean of the classes' F1; a class that is never predicted counts 0."""

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("int32")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": value, "references": value}),
            reference_urls=["https://scikit-learn.org/stable/modules/generated/sklearn.metrics.f1_score.html"],
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        return {"f1_macro": float(f1_score(references, predictions, average="macro", zero_division=0))}
