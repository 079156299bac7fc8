"""PT2E quantization, compiled ahead of time by Inductor."""
