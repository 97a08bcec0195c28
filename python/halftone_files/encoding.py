"""bfloat16, which neither NumPy nor HDF5 knows: uint16 with the attribute `encoding` = "bfloat16"."""
import h5py
import numpy as np


def decode_bfloat16(bits):
    """uint16 of any shape -> float32, exactly."""
    return (np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32)


def encode_bfloat16(values):
    """float32 of any shape -> uint16, to the nearest, ties to even; a NaN stays one."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), (bits >> 16 | 0x40).astype(np.uint16), rounded)


def write_bfloat16(group, name, bits):
    """A dataset of bfloat16 given as uint16."""
    dataset = group.create_dataset(name, data=np.asarray(bits, np.uint16))
    dataset.attrs["encoding"] = "bfloat16"
    return dataset


def read_array(dataset):
    """A dataset as an array: bfloat16 as float32, text as str, numbers as they are."""
    if h5py.check_string_dtype(dataset.dtype):
        return dataset.asstr()[()]
    values = dataset[()]
    return decode_bfloat16(values) if dataset.attrs.get("encoding") == "bfloat16" else values
