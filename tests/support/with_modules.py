#!/usr/bin/env python3
"""Runs a Python test where the modules it needs are installed; elsewhere says which are missing and exits with 77,
which CTest counts as skipped.

usage: with_modules.py MODULE,MODULE,... SCRIPT [ARGUMENT...]"""
import importlib.util
import os
import sys

modules, script = sys.argv[1].split(","), sys.argv[2]
missing = [module for module in modules if importlib.util.find_spec(module) is None]
if missing:
    print(f"SKIPPED: {sys.executable} has no {', '.join(missing)} (scripts/python-environment; CONTRIBUTING.md)")
    sys.exit(77)
os.execv(sys.executable, [sys.executable, script, *sys.argv[3:]])
