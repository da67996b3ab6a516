"""The loop proved in a world with a known truth: what ``lagniappe simulate`` runs. Nothing of it is deployed."""
