"""A Kubernetes API server for tests: real HTTP, real controllers, pods that run as processes or containers.

`python -m tests.services.kube --port 0 --mode process` starts one and prints its address; `fixture.py` does it for
pytest. It is a stand-in for Kubernetes only, and knows nothing of asyncflow: clients are the unmodified
kubernetes-asyncio and kubectl.

    wire/         HTTP: paths, discovery, collections and items, watches, logs, faults, the admin path
    objects.py    what all objects have in common      kinds.py      which kinds there are
    store.py      versions, history, watchers           validation.py what is refused with 422
    scheduler.py  which node a pod gets                 jobs.py       what a Job does with its pods
    kubelet/      what runs pods                        orders.py     faults as they were ordered
"""
