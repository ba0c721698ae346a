"""Bytes to values and back: the OpenAI dialects, SSE, HTTP/1.1 framing and error shapes, all sans-I/O."""
