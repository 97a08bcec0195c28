"""Evaluation files (kind "eval") as one table: every setting of every file, and which of them belong together."""
import dataclasses
import json
import pathlib
import re

import numpy as np
import pandas

from halftone_files import open_file, read_eval

MAIN = "halftone_lm"  #: the model that the evaluation is about; others are named by their file
DEFAULTS = {"micro_block": 8, "representatives": 16}
#: documents that were looked at while the pattern was designed: what was measured on them is no evidence
DESIGN = {f"{scenario}/{number}" for scenario in ("books", "technical", "structured") for number in ("00", "01")}
ORACLE = {"micro_block": 1, "representatives": 128, "block_mass": "sum"}


@dataclasses.dataclass(frozen=True)
class Run:
    """One setting of one file."""
    path: pathlib.Path
    index: int
    model: str
    length: int
    density: float  #: wanted
    pattern: str
    parameters: dict = dataclasses.field(compare=False)
    ours: bool = False  #: the setting that a file compares the others with
    documents: tuple = ()  #: those that give losses

    @property
    def oracle(self):
        """The true masses in place of estimates, everything else as ours."""
        free = {"landmarks", "sink_blocks", "local_blocks"}
        return self.pattern == "halftone" and {k: v for k, v in self.parameters.items() if k not in free} == ORACLE

    @property
    def baseline(self):
        return self.pattern != "halftone"


def parse_label(label):
    """("longformer", {"global_blocks": 1}, 0.025) of "longformer:global_blocks=1 2.5 %"."""
    match = re.fullmatch(r"(\w+)(?::(.*))? ([\d.e+-]+) %", label)
    if not match:
        raise ValueError(f"setting {label}: expected NAME[:PARAMETERS] DENSITY %")
    pattern, text, percent = match.groups()
    if not text:
        parameters = {}
    elif text.startswith("{"):
        parameters = json.loads(text)
    else:
        parameters = {key: _value(value) for key, value in (item.split("=", 1) for item in text.split(","))}
    return pattern, parameters, float(percent) / 100


def _value(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


#: names of the steps of eval/run/evaluate: 16k-main-10, seed1-16k-main-10
STEP = re.compile(r"([A-Za-z0-9_]+-)?\d+k-.*")


class Evaluations:
    """The eval files below a folder. Where a step of eval/run/evaluate has measured something, other files of the same
    model, length and density do not count for it."""

    def __init__(self, folder, root):
        self.root = root
        self.files, self.runs = {}, []
        for path in sorted(folder.rglob("*.h5"), key=lambda p: p.name):
            with open_file(path) as file:
                if file.attrs["kind"] != "eval" or path.stem.endswith("unfitted"):
                    continue
            self.files[path] = file = read_eval(path)
            self.runs += [run for run in self._runs_of(path, file) if not DESIGN.intersection(run.documents)]

    def _runs_of(self, path, file):

        def argument(name):
            return re.search(rf"--{name}[ =](\S+)", file.provenance["command"])[1]

        model, length = pathlib.PurePath(argument("model")).stem, int(argument("length"))
        losses = ~np.isnan(file.arrays["loss_dense"].values)
        documents = tuple(sorted(np.array(file.axes["document"])[losses]))
        for index, label in enumerate(file.summary["setting"]):
            pattern, parameters, density = parse_label(label)
            ours = index == 0 and pattern == "halftone"
            yield Run(path, index, model, length, density, pattern, parameters, ours, documents)

    def at(self, density, length, model, measured):
        """The runs of a density, length and model for which `measured` holds."""
        found = [
            run for run in self.runs
            if (run.model, run.length) == (model, length) and abs(run.density - density) < 1e-9 and measured(run)
        ]
        steps = [run for run in found if STEP.fullmatch(run.path.stem)]
        return steps or found

    def row(self, run):
        """The summary's row."""
        return self.files[run.path].summary.iloc[run.index]

    def array(self, run, name):
        """An array of this setting, its first axis ("setting") taken; None where the file has none of that name."""
        found = self.files[run.path].arrays.get(name)
        return None if found is None else found.values[run.index]

    def source(self, run):
        return str(run.path.relative_to(self.root))

    def documents(self, model=MAIN, length=16384):
        """The largest set of documents that any setting of this model and length was scored on."""
        return max((run.documents for run in self.runs if (run.model, run.length) == (model, length)), key=len,
                   default=())

    def compared(self, density, length=16384, model=MAIN):
        """{pattern: Run}: ours, the baselines with the parameters they were given first, and the oracle, all on the
        same documents. Empty where our setting was not measured."""
        wanted = self.documents(model, length)
        found = {}
        for run in self.at(density, length, model, lambda run: wanted and run.documents == wanted):
            name = "oracle" if run.oracle else run.pattern
            if run.ours or run.oracle or run.baseline:
                found.setdefault(name, run)
        return found if "halftone" in found else {}

    def table(self, density, length=16384, model=MAIN):
        """The summary rows of compared(), by loss increase, index "pattern"; p-values against ours with Holm's
        adjustment over all baselines here."""
        runs = self.compared(density, length, model)
        rows = pandas.DataFrame({name: self.row(run) for name, run in runs.items()}).T
        if rows.empty:
            return rows
        rows.index.name = "name"
        baselines = [name for name in rows.index if name not in ("halftone", "oracle")]
        rows["p_holm"] = np.nan
        rows.loc[baselines, "p_holm"] = holm(rows.loc[baselines, "p_first"].astype(float).to_numpy())
        return rows.infer_objects().sort_values("loss_increase")

    def densities(self, length=16384, model=MAIN):
        """Densities at which ours was compared with baselines, ascending."""
        wanted = sorted({run.density for run in self.runs if (run.model, run.length) == (model, length)})
        return [density for density in wanted if density < 1 and len(self.compared(density, length, model)) > 1]

    def lengths(self, density=0.1, model=MAIN):
        found = sorted({run.length for run in self.runs if run.model == model})
        return [length for length in found if len(self.compared(density, length, model)) > 1]

    def models(self):
        return sorted({run.model for run in self.runs}, key=lambda name: (name != MAIN, name))

    def variants(self, density, length=16384, model=MAIN):
        """Ours first, then every other halftone setting on the same documents, each once: [(changes, Run)], changes
        being the parameters that differ from ours."""
        base = self.compared(density, length, model).get("halftone")
        if base is None:
            return []
        ours = DEFAULTS | base.parameters
        found = {"": ({}, base)}
        for run in self.at(density, length, model,
                           lambda run: run.documents == base.documents and run.pattern == "halftone"):
            theirs = DEFAULTS | run.parameters
            changes = {
                key: theirs.get(key)
                for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key)
            }
            found.setdefault(json.dumps(changes), (changes, run)) if changes else None
        return list(found.values())

    def with_tasks(self, density, length=16384, model=MAIN):
        """{pattern: Run} of files with answers, ours among them; variants of ours left out."""
        found = {}
        for run in self.at(density, length, model, lambda run: not np.isnan(self.array(run, "accuracy")).all()):
            if run.ours or run.baseline:
                found.setdefault(run.pattern, run)
        return found if "halftone" in found else {}

    def with_heads(self, density=0.1, length=16384, model=MAIN):
        """{pattern: Run} of files that say what every head keeps and loses (halftone eval --heads), ours among them."""
        found = {}
        for run in self.at(density, length, model, lambda run: not np.isnan(self.array(run, "captured_mass")).all()):
            if run.ours or run.oracle or run.baseline:
                found.setdefault("oracle" if run.oracle else run.pattern, run)
        return found if "halftone" in found else {}

    def accuracy(self, run):
        """{task: (share right, the same with dense attention)}, means over its documents, of one setting."""
        file = self.files[run.path]
        names = [str(name).split("/")[0] for name in file.axes["document"]]
        sparse, dense = file.arrays["accuracy"].values[run.index], file.arrays["accuracy_dense"].values
        tasks = dict.fromkeys(name for name, value in zip(names, sparse) if not np.isnan(value))
        at = {task: [i for i, name in enumerate(names) if name == task] for task in tasks}
        return {task: (float(np.mean(sparse[i])), float(np.mean(dense[i]))) for task, i in at.items()}

    def recall(self, run):
        """Share of planted facts recalled, and with dense attention: mean over the documents of every recall task."""
        file = self.files[run.path]
        here = [i for i, name in enumerate(file.axes["document"]) if str(name).startswith("recall")]
        return tuple(
            float(np.mean(values[here]))
            for values in (file.arrays["accuracy"].values[run.index], file.arrays["accuracy_dense"].values))


def holm(p_values):
    """Holm's step-down adjustment."""
    order = np.argsort(p_values)
    steps = (len(p_values) - np.arange(len(p_values))) * np.asarray(p_values)[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
