"""Ensembles of networks for tables: members side by side in one compiled loop.

recipe       the default of every setting
task         prepared rows and folds: an ensemble to be trained
train        the one training loop, for rows in memory and on disk
members      the `train_step` of all members, on explicit Variables
validation   scores on out-of-fold rows: they select the epoch and calibrate
"""
