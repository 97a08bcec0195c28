"""Results: rows and what is known of them together, as JSON, HDF5 (kind "bench"), a table on the terminal and a picture."""
import json
import math
import sys

COLUMNS = {  # name: (type, units, description)
    "method": (str, "1", "who attended"),
    "kernel": (str, "1", "the library's kernel; empty for others"),
    "dtype": (str, "1", "element type"),
    "seq": (int, "1", "tokens of a sequence"),
    "batch": (int, "1", "sequences"),
    "heads": (int, "1", "query and key-value heads"),
    "dim": (int, "1", "head dimension"),
    "causal": (int, "1", "1: causal"),
    "density_wanted": (float, "1", "kept over visible blocks, asked for; 1: dense"),
    "density": (float, "1", "kept over visible blocks"),
    "seconds_median": (float, "s", "median time of a call"),
    "speedup": (float, "1", "best dense SDPA backend's time over this one's"),
    "tflops_kept": (float, "1e12/s", "4 dim operations for each (query, key) pair that counts, per second"),
    "peak_bytes": (int, "B", "memory that a call takes beyond its inputs, the output included"),
    "max_error": (float, "1", "largest difference to float32 over the same blocks"),
    "relative_error": (float, "1", "norm of the difference to float32 over the same blocks, over the norm"),
    "status": (str, "1", "ok, or why there is no measurement"),
}
MISSING = {str: "", int: -1, float: math.nan}
CELL = ("method", "dtype", "seq", "batch", "heads", "dim", "causal", "density_wanted")  #: what a row is a measurement of
SHAPE = CELL[1:-1]


def new_run(command, device, versions):
    return {"command": command, "device": device, "versions": versions, "rows": []}


def cell(row):
    return tuple(row[name] for name in CELL)


def read_run(path):
    """What write_json has written; ends the program on a file that is missing or no such run."""
    try:
        run = json.loads(path.read_text())
        return {name: run[name] for name in ("command", "device", "versions", "rows")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path}: {error!r}, expected the JSON of an earlier run")


def take_rows(run, path):
    """The measurements of an earlier run into this one, if the same versions made them on the same kind of device; what
    failed is left to be tried again."""
    earlier = read_run(path)
    for name in ("device", "versions"):
        if earlier[name] != run[name]:
            sys.exit(f"{path}: {name}: got {earlier[name]}, expected {run[name]}, as here")
    run["rows"] = [row for row in earlier["rows"] if row["status"] == "ok"]
    run["command"] = f"{earlier['command']}; {run['command']}"


def add_speedups(rows, peers):
    """Over the fastest of the peers on the same shape."""
    best = {}
    for row in rows:
        if row["method"] in peers and row["status"] == "ok":
            shape = tuple(row[name] for name in SHAPE)
            best[shape] = min(best.get(shape, math.inf), row["seconds_median"])
    for row in rows:
        shape = tuple(row[name] for name in SHAPE)
        if row["status"] == "ok" and shape in best:
            row["speedup"] = best[shape] / row["seconds_median"]


def print_table(rows):
    print(f"{'method':24}{'density':>9}{'time':>12}{'speed-up':>10}{'TFLOP/s':>9}{'memory':>10}{'max error':>11}"
          f"{'rel. error':>11}  kernel")
    problem = None
    for row in rows:
        if (here := _problem_text(row)) != problem:
            problem = here
            print(f"-- {problem}")
        if row["status"] != "ok":
            print(f"{row['method']:24}{100 * row['density_wanted']:8.1f}%  {row['status']}")
            continue
        print(f"{row['method']:24}{100 * row['density']:8.1f}%{1e3 * row['seconds_median']:9.3f} ms"
              f"{row.get('speedup', math.nan):8.2f} x{row['tflops_kept']:9.0f}{row['peak_bytes'] / 2**20:6.0f} MiB"
              f"{row['max_error']:11.2g}{row['relative_error']:11.2g}  {row['kernel']}")


def _problem_text(row):
    return (f"{row['seq']} tokens x {row['batch']}, {row['heads']} heads of {row['dim']}, "
            f"{'causal' if row['causal'] else 'full'}, {row['dtype']}")


def write_json(path, run):
    path.write_text(json.dumps(run, indent=1))


def write_hdf5(path, run):
    from halftone_files import create_file, write_bench
    columns = {name: ([row.get(name, MISSING[kind]) for row in run["rows"]], units, description)
               for name, (kind, units, description) in COLUMNS.items()}
    with create_file(path, "bench", command=run["command"]) as file:
        file.attrs.update(device=run["device"], versions=json.dumps(run["versions"]))
        write_bench(file, columns, [row.get("samples", []) for row in run["rows"]])


def draw(path, run):
    """Speed-up over the best dense backend against length, one panel for each density and kind of problem."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    rows = [row for row in run["rows"] if row["status"] == "ok" and row["density_wanted"] < 1 and "speedup" in row]
    kinds = sorted({(row["dim"], row["causal"]) for row in rows})
    densities = sorted({row["density_wanted"] for row in rows})
    if not rows:
        return
    figure, axes = plt.subplots(len(kinds), len(densities), squeeze=False, sharex=True, sharey="col",
                                figsize=(3.2 * len(densities), 2.8 * len(kinds)), layout="constrained")
    methods = list(dict.fromkeys(row["method"] for row in rows))
    for i, (dim, causal) in enumerate(kinds):
        for j, density in enumerate(densities):
            axis = axes[i][j]
            for n, method in enumerate(methods):
                points = sorted((row["seq"], row["speedup"]) for row in rows
                                if (row["dim"], row["causal"], row["density_wanted"], row["method"]) ==
                                (dim, causal, density, method))
                if points:
                    axis.plot(*zip(*points), marker="o", color=f"C{n}", label=method if (i, j) == (0, 0) else None)
            axis.axhline(1, color="grey", linewidth=0.8)
            axis.set_xscale("log", base=2)
            axis.set_title(f"{100 * density:g} %, dim {dim}, {'causal' if causal else 'full'}", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("tokens")
    for axis in axes[:, 0]:
        axis.set_ylabel("speed-up over the best dense")
    figure.legend(loc="outside upper center", ncols=len(methods), fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
