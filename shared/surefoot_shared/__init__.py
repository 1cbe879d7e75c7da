"""What the device and the server both must agree on: words, wire, errors, releases and trust.

Promises: nothing here does I/O on its own account (trust reads and writes the metadata folder it is given), and nothing
here imports more than the standard library, cryptography and the TUF library.
"""
