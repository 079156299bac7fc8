"""What the three TensorFlow backends share."""
