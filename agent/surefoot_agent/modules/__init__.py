"""Releases that Mender's Update Modules install: the file interface of version 3, hosted by this agent."""
