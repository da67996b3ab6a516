"""The calls of the contract, one file each: parse, call, answer."""
