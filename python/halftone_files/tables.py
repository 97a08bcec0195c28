"""Results: files of kind "bench" (a table with raw samples) and "eval" (arrays on named axes, and a table)."""
import dataclasses

import h5py
import numpy as np

from .encoding import read_array
from .files import open_file, provenance


def _read_table(group):
    """Each 1-D dataset of a group as a column; units and descriptions in `attrs`."""
    import pandas
    table = pandas.DataFrame({name: read_array(group[name]) for name in group})
    for note in ("units", "description"):
        table.attrs[note] = {name: group[name].attrs[note] for name in group if note in group[name].attrs}
    return table


def read_bench(path):
    """A pandas table, one row per measurement; where the file has the raw times, each row's are in `samples`."""
    with open_file(path, "bench") as file:
        table = _read_table(file["bench"])
        table.attrs["provenance"] = provenance(file)
        if "samples" in file:
            begin, seconds = file["samples/begin"][()], file["samples/seconds"][()]
            table["samples"] = [seconds[first:last] for first, last in zip(begin[:-1], begin[1:])]
    return table


def write_bench(file, columns, samples=None):
    """Into a file from create_file(path, "bench"): columns {name: (values, units, description)} of one length, and the
    raw times of each row in seconds, where there are any."""
    table = file.create_group("bench")
    for name, (values, units, description) in columns.items():
        text = len(values) > 0 and isinstance(values[0], str)
        table.create_dataset(name, data=values, dtype=h5py.string_dtype() if text else None)
        table[name].attrs.update(units=units, description=description)
    if samples is not None:
        group = file.create_group("samples")
        group["seconds"] = np.concatenate([np.asarray(row, np.float64) for row in samples])
        group["begin"] = np.cumsum([0, *map(len, samples)], dtype=np.int64)
        group["seconds"].attrs.update(units="s", description="every measured time, row after row")
        group["begin"].attrs.update(units="1", description="row i has seconds[begin[i] : begin[i + 1]]")


@dataclasses.dataclass
class EvalArray:
    """An N-D array with the names of its axes, one per dimension."""
    values: np.ndarray
    axes: tuple
    units: str
    description: str


@dataclasses.dataclass
class EvalFile:
    axes: dict  #: {name: coordinates}
    arrays: dict  #: {name: EvalArray}
    summary: object  #: pandas.DataFrame
    provenance: dict

    def frame(self, name):
        """An array as a table: one row per element, a column for each axis and one, of the array's name, for the
        values; rows without a value (NaN) left out."""
        import pandas
        array = self.arrays[name]
        index = pandas.MultiIndex.from_product([self.axes[axis] for axis in array.axes], names=array.axes)
        return pandas.DataFrame({name: array.values.ravel()}, index=index).reset_index().dropna(subset=[name])


def read_eval(path):
    """An EvalFile. Arrays whose dimensions carry no scale have no axes."""
    with open_file(path, "eval") as file:
        axes = {name: read_array(file["axes"][name]) for name in file["axes"]}
        arrays = {}
        for name, data in file["arrays"].items():
            scales = [list(dimension.values()) for dimension in data.dims]
            names = tuple(one[0].name.rsplit("/", 1)[-1] for one in scales) if all(scales) else ()
            arrays[name] = EvalArray(read_array(data), names, data.attrs.get("units", "1"),
                                     data.attrs.get("description", ""))
        return EvalFile(axes, arrays, _read_table(file["summary"]), provenance(file))
