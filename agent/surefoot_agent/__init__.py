"""The agent: runs on the device, installs signed releases into A/B slots and reverts by itself."""

__version__ = "0.1.0"
"""Told to the server in every hello; pyproject.toml states the same and a test compares them."""
