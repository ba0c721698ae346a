"""Ways of reaching a model server, one per file."""
