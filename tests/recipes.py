"""Recipes for tests that train members without an estimator."""

import dataclasses

from kerasnn.ensembles.recipe import default_recipe


def recipe_of(task="multiclass", n_rows=100, **settings):
    return dataclasses.replace(default_recipe(task, n_rows), **settings)
