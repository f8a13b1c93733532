"""Buckets: S3 and what speaks as it does.

`address` says where, `policy` (pure) when to try again, `failures` what went wrong in words, `requests` (pure) how an
operation is asked for. `aio.S3Objects` does it on an event loop; `blocking.BlockingObjects` in threads, with nothing
but botocore, for workers in containers.
"""
