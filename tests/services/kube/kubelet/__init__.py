"""What runs pods: one runner a pod (`pod.py`), the same for all modes, above a runtime that starts containers."""
