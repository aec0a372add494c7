"""Blobs: what may be announced (`rules`), their files (`files`), at work (`service`), over HTTP (`http`)."""
