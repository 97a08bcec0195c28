"""libhalftone through ctypes: its functions, the layouts of its structs, its failures as exceptions. No torch."""
from __future__ import annotations

import ctypes
import os
import pathlib
import struct

HOST = -1  #: HALFTONE_HOST
FEATURES = {"host": 1, "sm90": 2, "wmma": 4}

# The structs of halftone.h as struct formats: what changes from call to call first, then what a plan keeps. Bytes are
# immutable, so that calls from several threads share nothing, and are built faster than ctypes structs are filled.
REQUEST_HEAD = struct.Struct("@12Q")  #: size, q, k, v, o, lse, far_mass, sink, 2 cu_seqlens, workspace, stream
REQUEST_TAIL = struct.Struct("@Q 12q 4q 7i f Q")
MASK = struct.Struct("@Q 5Q 4q 6i")
SELECTION_HEAD = struct.Struct("@Q 2Q")  #: size, head_weight, gate
SELECTION_TAIL = struct.Struct("@2d 8i")
OUTCOME = struct.Struct("@3q f I")
SELECTED = struct.Struct("@2Q 6Q 4q 6i")  #: size, outcome, mask

REQUEST_BYTES = REQUEST_HEAD.size + REQUEST_TAIL.size
SELECTION_BYTES = SELECTION_HEAD.size + SELECTION_TAIL.size


class UnsupportedError(NotImplementedError):
    """No kernel, or not the one asked for, serves the request; the message lists each one's reason."""


def _find() -> str:
    """HALFTONE_LIBRARY, or the library in the package, or one that the system finds."""
    carried = pathlib.Path(__file__).parent / "lib" / "libhalftone.so"
    return os.environ.get("HALFTONE_LIBRARY") or (str(carried) if carried.exists() else "libhalftone.so.0")


def _load() -> ctypes.CDLL:
    path = _find()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"libhalftone: {error}; expected HALFTONE_LIBRARY=/path/to/libhalftone.so, or a wheel that "
                          "carries it (scripts/wheel)") from None
    for name in ("version", "last_message", "last_kernel"):
        getattr(library, f"halftone_{name}").restype = ctypes.c_char_p
    library.halftone_features.restype = ctypes.c_uint32
    bytes_type = ctypes.c_char_p  # a struct in a bytes object, passed without a copy
    library.halftone_block_sparse_attention.argtypes = [bytes_type, bytes_type]
    library.halftone_attention.argtypes = [bytes_type, bytes_type, ctypes.c_void_p]
    library.halftone_workspace_bytes.argtypes = [bytes_type, bytes_type, bytes_type, ctypes.POINTER(ctypes.c_size_t)]
    return library


library = _load()
block_sparse_attention = library.halftone_block_sparse_attention
attention = library.halftone_attention


def version() -> str:
    """The library's version."""
    return library.halftone_version().decode()


def features() -> set[str]:
    """What the library was built with: "host", and for CUDA devices "sm90" and "wmma"."""
    flags = library.halftone_features()
    return {name for name, flag in FEATURES.items() if flags & flag}


def last_kernel() -> str:
    """The kernel that served this thread's last call."""
    return library.halftone_last_kernel().decode()


def fail(status: int) -> None:
    """Raises what a status other than 0 stands for, with the library's message."""
    error = {1: ValueError, 2: UnsupportedError, 3: MemoryError}.get(status, RuntimeError)
    raise error(library.halftone_last_message().decode())


def workspace_bytes(request: bytes, mask: bytes | None, selection: bytes | None) -> int:
    size = ctypes.c_size_t()
    status = library.halftone_workspace_bytes(request, mask, selection, ctypes.byref(size))
    if status:
        fail(status)
    return size.value
