"""TensorFlow with Intel's extension."""
