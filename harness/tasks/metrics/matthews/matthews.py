"""Matthews' correlation coefficient, as a local module of `evaluate`, whose own modules come from a hub at run time."""

import datasets
import evaluate
from sklearn.metrics import matthews_corrcoef

_DESCRIPTION = "Correlation of predicted and true classes; 0 is chance, whatever the balance of the classes."

_INPUTS = """
Args:
    predictions: class indices, one a row.
    references: class indices, one a row.
Returns:
    matthews: float, from -1 to 1.
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
class Matthews(evaluate.Metric):
    """Matthews' correlation coefficient, multi-class as Gorodkin (2004) defines it."""

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("int32")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": value, "references": value}),
            reference_urls=["https://scikit-learn.org/stable/modules/generated/sklearn.metrics.matthews_corrcoef.html"],
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        return {"matthews": float(matthews_corrcoef(references, predictions))}
