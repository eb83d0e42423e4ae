"""What changes things, by noun: inputs, payloads and the mutations, which translate and nothing else."""
