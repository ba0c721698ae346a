"""Where what may be lost is kept: one file per place, one contract suite for all (`tests/contracts`)."""
