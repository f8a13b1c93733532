"""Files and values of users in S3: `from asyncflow import S3`, and `from asyncflow.aio import S3` for event loops.

`places` says what a key means, `values` what is given and got, `errors` what goes wrong; all three are pure. `client`
does it in threads, `aio` on an event loop, both on top of `store/s3`.
"""
