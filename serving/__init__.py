"""One customer and one instant in, one decision out."""
