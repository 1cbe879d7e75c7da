"""Simulated fleets, faults and cameras, made of the real agent core and the real server."""
