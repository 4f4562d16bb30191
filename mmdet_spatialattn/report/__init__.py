"""The pages a person reads: one file each, without a network."""
