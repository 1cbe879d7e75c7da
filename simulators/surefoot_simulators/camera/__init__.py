"""A camera counting application: a synthetic street, background subtraction, line-crossing counts, Prometheus metrics.

It is a real application to the agent: one process that serves its metrics and stops on SIGTERM. `tree.py` packs it as a
release. The modules import each other relatively, because a release carries copies of them under another package name.
"""
