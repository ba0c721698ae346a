"""The lane rehearsed on one machine: AWS's control plane as moto plays it, with what moto lacks, and a table of it."""
