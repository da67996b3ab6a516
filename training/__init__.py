"""Events in, a registered model out."""
