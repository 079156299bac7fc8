"""What the backends of torch share: loading, observers, qconfigs, executed precision, verification."""
