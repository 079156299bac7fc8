"""What the tests of tuning and the stage they run in an environment both speak of."""

from __future__ import annotations

ROWS = 320

#: The value of this layer has channels so much larger, and the layer behind attention takes them back.
PLANTED = "bert.encoder.layer.1.attention"
OUTLIER = 300.0
