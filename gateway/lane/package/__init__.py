"""Makes a model.tar.gz: gathers its files, encrypts weights where asked to, and writes it the same way every time."""
