"""Tidegate: the gateway between a company's apps and its language models.

This package re-exports nothing; import from the room that owns what you need (ARCHITECTURE.md).
"""
