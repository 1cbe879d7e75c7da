"""The agent as a component of its own device: two environments, a launcher that never changes, the usual probation."""
