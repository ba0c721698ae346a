"""The whole data plane in virtual time: real gateway code between a scripted network, scripted clients, and an oracle.

`python -m tests.simulation --help` runs scenarios by hand, replays one by its seed, and prints the figures.
"""
