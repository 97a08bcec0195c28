"""What report.pdf was made from: report/inputs.sha256 holds a hash of every input, so that a PDF that is older than its
inputs is found without LaTeX.

usage: python3 -m make.inputs write | check"""
import hashlib
import pathlib
import sys

REPORT = pathlib.Path(__file__).resolve().parents[1]


def hashes():
    """{path: SHA-256} of the text, of what makes its figures, and of the results."""
    paths = [
        REPORT / "report.tex", REPORT / "references.bib", *REPORT.glob("sections/*.tex"), *REPORT.glob("make/*.py"),
        *REPORT.glob("results/**/*.h5")
    ]
    return {str(path.relative_to(REPORT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def changed():
    """Inputs that are not those of report.pdf."""
    lines = (REPORT / "inputs.sha256").read_text().splitlines()
    then, now = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}, hashes()
    return sorted(path for path in then.keys() | now.keys() if then.get(path) != now.get(path))


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        (REPORT / "inputs.sha256").write_text("".join(f"{digest}  {path}\n" for path, digest in hashes().items()))
    elif stale := changed():
        sys.exit(f"report/report.pdf is older than {', '.join(stale)}: run scripts/report")
