"""Runs detectors over the generated requests and counts what they found, missed and flagged for nothing."""
