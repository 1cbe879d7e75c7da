"""Where the bytes of a release come from; each kind of source is a module of its own."""
