"""The agent: runs on the device, installs signed releases into A/B slots and reverts by itself."""
