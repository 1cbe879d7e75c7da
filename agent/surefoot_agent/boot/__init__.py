"""Which slot is entered next; each way of booting is a module of its own."""
