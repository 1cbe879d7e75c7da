"""The fleet's certificate authority and the files it leaves on disk."""
