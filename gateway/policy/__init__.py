"""The security team's room: what is written, what it compiles to, what it decides, and how to explain it."""
