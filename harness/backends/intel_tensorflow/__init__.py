"""Intel's build of TensorFlow."""
