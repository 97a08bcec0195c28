"""What was measured as text, as bench files, so that figures and numbers come from HDF5 only: Nsight Compute's reports
in results/gpu/profile, and the tables of versions in the notes beside the kernels."""
import math
import pathlib
import re

import numpy as np

from halftone_files import create_file, read_bench, write_bench

METRICS = {  # name: (section's metric, units, description)
    "seconds_median": ("Duration", "s", "of the one launch"),
    "clock_hz": ("SM Frequency", "1/s", "of the multiprocessors"),
    "dram_bytes_per_s": ("Memory Throughput", "B/s", "device memory"),
    "compute_percent": (r"Compute \(SM\) Throughput", "%", "of the multiprocessors' peak at that clock"),
    "dram_percent": ("DRAM Throughput", "%", "of the device memory's peak"),
    "l2_hit_percent": ("L2 Hit Rate", "%", "accesses found in the L2 cache"),
}
UNITS = {"%": 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "Ghz": 1e9, "Mbyte/s": 1e6, "Gbyte/s": 1e9, "Tbyte/s": 1e12}
NOTES = {"attention": "cuda_specialized/sm90/README.md", "selection": "cuda_specialized/selection/README.md"}


def metric(text, name, want_percent):
    """A metric's value in base units; some have a percentage and a rate under one name."""
    for unit, value in re.findall(rf"^\s+{name}\s+(\S+)\s+([\d,.]+)\s*$", text, re.MULTILINE):
        if (unit == "%") == want_percent:
            return float(value.replace(",", "")) * UNITS[unit]
    raise ValueError(f"no {name} in the profile")


def profile_columns(folder):
    """One row per report; its file's name says what ran: vVERSION-(dense|N-percent)-LENGTHk[-causal].txt."""
    rows = []
    for path in sorted(folder.glob("*.txt")):
        found = re.fullmatch(r"v(\d+)-(dense|(\d+)-percent)-(\d+)k(-causal)?", path.stem)
        if not found:
            raise ValueError(f"{path}: expected a name like v8-10-percent-32k-causal.txt")
        version, _, percent, length, causal = found.groups()
        text = path.read_text()
        rows.append({
            "name": path.stem, "version": int(version), "density": int(percent or 100) / 100, "seq": int(length) *
            1024, "causal": int(bool(causal))
        } | {name: metric(text, pattern, units == "%")
             for name, (pattern, units, _) in METRICS.items()})
    about = {
        "name": ("1", "report"), "version": ("1", "of the kernel, as in its notes"),
        "density": ("1", "kept over visible blocks"), "seq": ("1", "tokens"), "causal": ("1", "1: causal")
    }
    about |= {name: (units, description) for name, (_, units, description) in METRICS.items()}
    return {name: ([row[name] for row in rows], *about[name]) for name in about}


def table_under(text, heading):
    """The first Markdown table below a heading, as lists of cells; the head first."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)[0].splitlines()
    rows = [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in lines]
    return [rows[0], *rows[2:]]


def version_columns(root):
    """One row per cell with a number of the tables of versions."""
    columns = {name: [] for name in ("kernel", "version", "what", "column", "text", "value")}
    for kernel, path in NOTES.items():
        head, *rows = table_under((root / path).read_text(), "Versions")
        what = ""
        for row in rows:
            what = row[0] or what
            version = re.match(r"(\d+)|(tried)", what)
            for column, cell in list(zip(head, row))[1:]:
                number = re.match(r"[\d,.]*\d", cell)
                if column == "predicted":
                    number = None
                for name, value in (("kernel", kernel), ("version", version[0] if version else ""), ("what", what),
                                    ("column", column), ("text", cell),
                                    ("value", float(number[0].replace(",", "")) if number else math.nan)):
                    columns[name].append(value)
    about = {
        "kernel": "attention or selection", "version": "its number, or: tried", "what": "what it changed",
        "column": "of the table", "text": "the cell", "value": "the number that the cell begins with"
    }
    return {name: (values, "1", about[name]) for name, values in columns.items()}


def same(path, columns):
    if not path.exists():
        return False
    table = read_bench(path)
    return set(table.columns) == set(columns) and all(
        len(table) == len(values) and (np.array_equal(table[name].to_numpy(float), np.array(
            values, float), equal_nan=True) if not isinstance(values[0], str) else list(table[name]) == list(values))
        for name, (values, _, _) in columns.items())


def record(root, check=False):
    """Writes the files whose text has changed, and returns their names; with `check` only returns them."""
    gpu = root / "report" / "results" / "gpu"
    stale = []
    for name, columns in (("profile-h200.h5", profile_columns(gpu / "profile")), ("versions-h200.h5",
                                                                                  version_columns(root))):
        if same(gpu / name, columns):
            continue
        stale.append(name)
        if not check:
            with create_file(gpu / name, "bench", command="scripts/report") as file:
                write_bench(file, columns)
    return stale


if __name__ == "__main__":
    for name in record(pathlib.Path(__file__).resolve().parents[2]):
        print(f"report/results/gpu/{name}: written anew")
