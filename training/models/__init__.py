"""One file a model, each with the same four verbs: fit, predict, save, load."""
