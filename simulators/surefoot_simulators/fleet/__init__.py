"""Thousands of simulated devices in one process: one loop drives every connection."""
