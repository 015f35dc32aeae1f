"""The memory of any bytes-like object, read-only ones too, without a copy."""

import contextlib
import ctypes

_WRITABLE = 1  # PyBUF_WRITABLE


class _Buffer(ctypes.Structure):
    """CPython's Py_buffer."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.restype = ctypes.c_int  # a failure is raised: pythonapi checks for exceptions
_get.argtypes = [ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int]
_release = ctypes.pythonapi.PyBuffer_Release
_release.restype = None
_release.argtypes = [ctypes.POINTER(_Buffer)]


@contextlib.contextmanager
def pinned(data, writable=False):
    """Yields (address, size) of `data`, which can be neither moved nor resized meanwhile."""
    buffer = _Buffer()
    _get(data, buffer, _WRITABLE if writable else 0)
    try:
        yield buffer.buf, buffer.len
    finally:
        _release(buffer)
