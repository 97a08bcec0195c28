"""Figures, tables and numbers of the report and the README, from the files in report/results."""
