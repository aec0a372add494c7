"""Files on their way: sealed into the spool, uploaded, fetched, opened under a safe name."""
