"""The privileged half: what writes slots, switches, starts the application and restarts the machine, for the agent."""
