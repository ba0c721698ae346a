"""The faces: the OpenAI data plane and the admin plane."""
