"""Packs: made by a process of its own from releases that are stored, proved by following them, offered with a lease."""
