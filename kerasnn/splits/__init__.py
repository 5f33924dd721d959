"""Divisions of rows: folds and test rows, at random, by whole groups, or in time.

columns  raw columns of groups and times, as numbers
folds    the folds of the members of an ensemble
holdout  rows that are kept for a test
"""

from kerasnn.splits.columns import group_codes, group_hashes, time_reading, time_values
from kerasnn.splits.folds import Folds, Split, folds_for, stratified_folds
from kerasnn.splits.holdout import Division, last_block, whole_groups

__all__ = [
    "Division",
    "Folds",
    "Split",
    "folds_for",
    "group_codes",
    "group_hashes",
    "last_block",
    "stratified_folds",
    "time_reading",
    "time_values",
    "whole_groups",
]
