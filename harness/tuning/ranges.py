"""What calibration keeps of each tensor, and the range that any observer would have found, derived from it offline.

So a model is shown the calibration rows once, and every recipe after that costs no calibration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from harness.approaches.mapping import Codes, affine, symmetric
from harness.approaches.mapping import Mapping as Quantization
from harness.approaches.observers import BINS, MagnitudeHistogram
from harness.config.schema import QuantizerConfig
from harness.errors import StageError, nearest

OBSERVERS = ("minmax", "percentile", "kl", "mse")

#: The search for the least squared error tries so many thresholds, in equal steps up to the largest magnitude.
_MSE_CANDIDATES = 128


def mapping(config: QuantizerConfig, histogram: MagnitudeHistogram, codes: Codes) -> Quantization:
    """Return scale and zero point of a tensor that was observed in `histogram`.

    Raises
    ------
    StageError : ``bad_config`` for an observer or scheme that is not known here.
    """
    minimum, maximum = observed_range(config, histogram, codes)
    return by_scheme(config.scheme)(minimum, maximum, codes)


def by_scheme(scheme: str) -> Callable[[float, float, Codes], Quantization]:
    """Return the formula of a scheme; ``bad_config`` when there is none."""
    schemes = {"affine": affine, "symmetric": symmetric}
    if scheme not in schemes:
        raise StageError("bad_config", f"scheme={scheme}: no such scheme{nearest(scheme, schemes)}")
    return schemes[scheme]


def observed_range(config: QuantizerConfig, histogram: MagnitudeHistogram, codes: Codes) -> tuple[float, float]:
    """Return the range that an observer keeps of what was seen: all of it, or clipped at a magnitude."""
    if config.observer not in OBSERVERS:
        raise StageError(
            "bad_config", f"observer={config.observer}: no such observer{nearest(config.observer, OBSERVERS)}"
        )
    if not histogram.counts.any():
        raise StageError("bad_data", "calibration: an op was never shown a value")
    if config.observer == "minmax" or histogram.width == 0.0:
        return histogram.minimum, histogram.maximum
    if config.observer == "percentile":
        threshold = histogram.percentile_threshold(config.percentile)
    elif config.observer == "kl":
        threshold = histogram.entropy_threshold(codes.steps + 1)
    else:
        threshold = mse_threshold(histogram, config.scheme, codes)
    return histogram.clipped(threshold)


def mse_threshold(histogram: MagnitudeHistogram, scheme: str, codes: Codes) -> float:
    """Return the threshold of least expected squared error.

    Inside, rounding to a step S leaves S**2 / 12 on average; a magnitude beyond is moved to the threshold (the sum of
    granular and overload distortion; A. Gersho and R. Gray, Vector Quantization and Signal Compression, 1992, ch. 5).
    """
    centres = (np.arange(BINS) + 0.5) * histogram.width
    largest = max(-histogram.minimum, histogram.maximum)
    candidates = largest * np.arange(1, _MSE_CANDIDATES + 1) / _MSE_CANDIDATES
    errors = []
    for threshold in candidates:
        step = float(by_scheme(scheme)(*histogram.clipped(threshold), codes).scale)
        beyond = np.maximum(centres - threshold, 0.0)
        inside = histogram.counts[centres <= threshold].sum()
        errors.append(step**2 / 12 * inside + float(histogram.counts @ np.square(beyond)))
    return float(candidates[int(np.argmin(errors))])


def save(histograms: Mapping[str, MagnitudeHistogram], path: Path) -> None:
    """Write what calibration saw as one ``.npz`` without pickles."""
    names = sorted(histograms)
    np.savez_compressed(
        path,
        names=np.array(json.dumps(names)),
        counts=np.array([histograms[name].counts for name in names], np.int64).reshape(len(names), BINS),
        ends=np.array([[histograms[n].width, histograms[n].minimum, histograms[n].maximum] for n in names], np.float64),
    )


def load(path: Path) -> dict[str, MagnitudeHistogram]:
    """Read what :func:`save` wrote; pickles are refused."""
    with np.load(path, allow_pickle=False) as arrays:
        names, counts, ends = json.loads(str(arrays["names"])), arrays["counts"], arrays["ends"]
    histograms = {}
    for place, name in enumerate(names):
        histograms[name] = MagnitudeHistogram()
        histograms[name].counts = counts[place]
        histograms[name].width, histograms[name].minimum, histograms[name].maximum = map(float, ends[place])
    return histograms
