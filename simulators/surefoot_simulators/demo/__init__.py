"""The demonstration: a real server and twelve real agents on one machine, four rollouts, every promise checked."""
