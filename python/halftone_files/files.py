"""Opening and writing whole files: the root attributes that every file of the project carries."""
import contextlib
import datetime
import errno
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from .encoding import read_array

FORMAT_VERSION = "1.0"
PROVENANCE = ("software_version", "date", "command", "seed", "machine", "kokkos", "compiler")


class HalftoneFileError(ValueError):
    """A file that is not what was asked for; one line that names it."""


def open_file(path, kind=None):
    """The file opened for reading, its format, major version and kind (when given) checked."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        problem = "not an HDF5 file" if os.path.isfile(path) else os.strerror(error.errno or errno.EIO).lower()
        raise HalftoneFileError(f"{path}: {problem}") from None
    found = {name: file.attrs.get(name) for name in ("format", "format_version", "kind")}
    problem = None
    if found["format"] != "halftone":
        problem = 'not a halftone file: attribute `format` is missing or not "halftone"'
    elif str(found["format_version"]).split(".")[0] != FORMAT_VERSION.split(".")[0]:
        expected = FORMAT_VERSION.split(".")[0] + ".x"
        problem = f"attribute `format_version`: got {found['format_version']}, expected {expected}"
    elif kind and found["kind"] != kind:
        problem = f"attribute `kind`: got {found['kind']}, expected {kind}"
    if problem:
        file.close()
        raise HalftoneFileError(f"{path}: {problem}")
    return file


def provenance(file):
    """How an open file was made: those of the provenance attributes that it has."""
    return {name: file.attrs[name] for name in PROVENANCE if name in file.attrs}


def read_tree(path):
    """Any file as nested dictionaries: {name: array} with bfloat16 decoded, a group's attributes, and the file's own,
    under "attributes"."""
    def tree(group):
        items = {name: tree(item) if isinstance(item, h5py.Group) else read_array(item) for name, item in group.items()}
        return items | ({"attributes": dict(group.attrs)} if len(group.attrs) else {})

    with open_file(path) as file:
        return tree(file)


@contextlib.contextmanager
def create_file(path, kind, *, command=None, seed=0):
    """with create_file(...) as file: an open HDF5 file that appears under its name when the block ends without an
    error, and leaves nothing otherwise."""
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise HalftoneFileError(f"{path}: no folder {path.parent}")
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.fchmod(handle, 0o666 & ~_umask())
    os.close(handle)
    try:
        with h5py.File(temporary, "w", track_order=True) as file:
            file.attrs.update(format="halftone", format_version=FORMAT_VERSION, kind=kind,
                              software_version=_software_version(),
                              date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                              command=command or " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]]),
                              seed=np.uint64(seed), machine=f"{platform.platform()}, {os.cpu_count()} threads")
            yield file
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _software_version():
    """git describe of the checkout this file lies in; "unknown" outside one."""
    try:
        described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=pathlib.Path(__file__).parent,
                                   capture_output=True, text=True, check=False)
    except FileNotFoundError:  # no git
        return "unknown"
    return described.stdout.strip() if described.returncode == 0 else "unknown"
