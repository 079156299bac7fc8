"""What several commands share: their output, forms of JSON, and options."""
