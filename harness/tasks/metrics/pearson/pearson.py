"""Pearson's correlation coefficient, as a local module of `evaluate`, whose own modules come from a hub at run time."""

import datasets
import evaluate
from scipy.stats import pearsonr

_DESCRIPTION = "Linear correlation of predicted and true numbers."

_INPUTS = """
Args:
    predictions: numbers, one a row.
    references: numbers, one a row.
Returns:
    pearson: float, from -1 to 1.
"""

_CITATION = """\
@article{virtanen2020scipy,
  title={{SciPy} 1.0: Fundamental Algorithms for Scientific Computing in {P}ython},
  author={Virtanen, Pauli and Gommers, Ralf and Oliphant, Travis E. and others},
  journal={Nature Methods},
  volume={17},
  pages={261--272},
  year={2020}
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _INPUTS)
class Pearson(evaluate.Metric):
    """Pearson's r; not a number when either side is constant."""

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("float64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": value, "references": value}),
            reference_urls=["https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.pearsonr.html"],
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        return {"pearson": float(pearsonr(references, predictions).statistic)}
