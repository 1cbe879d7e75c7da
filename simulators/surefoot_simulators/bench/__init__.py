"""Figures about Surefoot on this machine, beside what its peers need in the same run.

Promises: every figure is measured when it is printed, on real processes; what could not be measured is named, never
guessed. A new benchmark is one module with a `measure` function and one line in `registry.BENCHMARKS`.
"""
