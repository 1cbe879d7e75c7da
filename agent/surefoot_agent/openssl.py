"""The few functions of Python's own OpenSSL that sign; everything else of it stays the `ssl` module's.

Promises: a failure leaves nothing in OpenSSL's queue of errors, where the next TLS connection would find it; a key is
given back when nobody signs with it any more; one whose private half does not belong to its public one is not known.
Takes keys that were looked at before: `signer` does.
"""

from __future__ import annotations

import ctypes
import importlib.util
import weakref
from collections.abc import Callable
from functools import cache

DER_LIMIT_BYTES = 72
"""An ECDSA signature of P-256 is a sequence of two integers of at most 33 bytes."""
OK = 1

_POINTER, _INT, _SIZE = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
_FUNCTIONS: dict[str, tuple[type | None, tuple[object, ...]]] = {
    "d2i_AutoPrivateKey": (_POINTER, (_POINTER, ctypes.POINTER(ctypes.c_char_p), ctypes.c_long)),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "EVP_PKEY_CTX_new": (_POINTER, (_POINTER, _POINTER)),
    "EVP_PKEY_check": (_INT, (_POINTER,)),
    "EVP_PKEY_CTX_free": (None, (_POINTER,)),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_sha256": (_POINTER, ()),
    "EVP_DigestSignInit": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _POINTER)),
    "EVP_DigestSign": (_INT, (_POINTER, ctypes.c_char_p, ctypes.POINTER(_SIZE), ctypes.c_char_p, _SIZE)),
    "ERR_clear_error": (None, ()),
}
"""What is called, as OpenSSL 1.1.1 and 3 declare it. Source: their manual pages in section 3."""


def signer(der: bytes) -> Callable[[bytes], bytes] | None:
    """Return what signs with this private key; None where this OpenSSL cannot be reached or does not know the key."""
    library = openssl()
    made = _Key.of(library, der) if library is not None else None
    return made.sign if made is not None else None


@cache
def openssl() -> ctypes.CDLL | None:
    """The OpenSSL of this Python, or None: a look into `_ssl` also looks into the libraries that it was linked with."""
    spec = importlib.util.find_spec("_ssl")
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    try:
        library = ctypes.CDLL(spec.origin)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library


class _Key:
    def __init__(self, library: ctypes.CDLL, pointer: int) -> None:
        self._library, self._pointer = library, pointer
        # Not at the interpreter's end: a thread that was not waited for may be signing.
        weakref.finalize(self, library.EVP_PKEY_free, pointer).atexit = False

    @classmethod
    def of(cls, library: ctypes.CDLL, der: bytes) -> _Key | None:
        begin = ctypes.c_char_p(der)
        pointer = library.d2i_AutoPrivateKey(None, ctypes.byref(begin), len(der))
        key = cls(library, pointer) if pointer else None
        if key is not None and key.whole():
            return key
        library.ERR_clear_error()
        return None

    def whole(self) -> bool:
        """Whether both halves belong together: a key that a worn medium damaged signs too, and nobody believes it."""
        library = self._library
        context = library.EVP_PKEY_CTX_new(self._pointer, None)
        try:
            return bool(context and library.EVP_PKEY_check(context) == OK)
        finally:
            library.EVP_PKEY_CTX_free(context)

    def sign(self, text: bytes) -> bytes:
        library, size = self._library, _SIZE(DER_LIMIT_BYTES)
        signature = ctypes.create_string_buffer(DER_LIMIT_BYTES)
        context = library.EVP_MD_CTX_new()
        try:
            done = (
                context
                and library.EVP_DigestSignInit(context, None, library.EVP_sha256(), None, self._pointer) == OK
                and library.EVP_DigestSign(context, signature, ctypes.byref(size), text, len(text)) == OK
            )
        finally:
            library.EVP_MD_CTX_free(context)
        if not done:
            library.ERR_clear_error()
            raise MemoryError("OpenSSL could not sign")  # the key was read and is P-256: nothing else is left
        return signature.raw[: size.value]
