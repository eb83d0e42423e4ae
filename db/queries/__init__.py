"""Reads. Batched ones take many keys and answer in their order, one statement each."""
