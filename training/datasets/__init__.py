"""Public data brought into the contract's format."""
