"""What a worker in a container is given to run: the user's code, asyncflow, and the few packages that it needs.

`scan` says which files are the user's, `brought` what asyncflow brings along, `archive` writes files so that equal
contents are equal bytes, `build` puts the archive together and remembers what it was made of. `worker/bootstrap.py`
unpacks it. Why it is made so: docs/adr/0009-what-a-container-brings.md.
"""
