"""Pure values and rules: no clock, no chance, no waiting, no logging."""
