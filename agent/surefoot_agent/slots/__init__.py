"""The two copies of a component; each kind of slot is a module of its own."""
