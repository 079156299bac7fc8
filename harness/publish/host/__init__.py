"""How ``harness doctor`` looks."""
