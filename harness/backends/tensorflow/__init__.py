"""Stock TensorFlow."""
