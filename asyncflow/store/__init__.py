"""The store: what runs leave on disk. Content-addressed blobs, manifests, foreach items; serializers by type.

`local.LocalStore` is the way in, `home` finds the directory, `serializers.register` adds a type.
This room knows no other. Nothing is imported here, so that a worker pays for what it uses only.
"""
