"""A conversation's log on its relays, as one device deals with it: without sockets and without a clock.

`log.Log` is the way in. What it tells is in `happenings`, what it asks of the store in `keeping`.
"""
