"""A fleet and its server in one process and virtual time: scenarios, faults, expectations, and what was seen."""
