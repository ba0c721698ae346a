"""A generator of requests as people write them, in Chinese and English, with every sensitive value labelled."""
