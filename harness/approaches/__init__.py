"""What all backends share of the approaches: calibration rows, quantization formulae, observers, training.

Imports no framework; each backend puts an approach into the words of its own framework.
"""
