"""Finding sensitive text: carriers, views, recognizers, and an honest account of what was covered."""
