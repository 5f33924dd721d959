"""A model on a server, which predicts for the rows of a table."""

import difflib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Schema, as_table
from kerasnn.errors import InputError, ServerError
from kerasnn.manifest import (
    DEFAULT_SIGNATURE,
    INTERVAL_SIGNATURE,
    known_validation_rows,
)
from kerasnn.serving.client.connection import RestClient
from kerasnn.serving.client.input_mapping import (
    InputMapping,
    mapping_from_manifest,
    mapping_from_signature,
)
from kerasnn.serving.client.outputs import read_outputs
from kerasnn.serving.client.signature import RemoteSignature, parse_signatures

_NAME = re.compile(r"([^/:]+)(?:/(?:versions/)?([0-9]+)|/labels/([^/:]+))?")


class RemoteModel:
    """One version of a model on a server.

    Args:
        server: the connection.
        name: "digits" for the version that is newest now; "digits/3" or
            "digits/versions/3"; or "digits/labels/stable".

    Attributes:
        name: of the model alone.
        version: as text; "" if the server does not report it.
        signature: its `serving_default`.
        manifest: of kerasnn's export; None if the server does not report it;
            TensorFlow Serving does not.

    Raises:
        InputError: the name has another form, or the server has no such model.
        ServerError: the server does not answer, or in an unexpected form.
    """

    def __init__(self, server: RestClient, name: str) -> None:
        self._server = server
        self.name, path = _path(name)
        metadata = self._metadata(path)
        self.version = _version(metadata)
        self._path = f"/v1/models/{quote(self.name, safe='')}"
        if self.version:
            self._path += f"/versions/{self.version}"
        self._signatures = parse_signatures(metadata)
        self.signature = self._default()
        self.manifest = self._told_manifest()

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """The labels of the classes, in the order of the probabilities.

        They come from the manifest, else from the answer of the signature `classify` to an
        empty example; None if neither has them.
        """
        if self.manifest is not None:
            return tuple(self.manifest["classes"]) if "schema" in self.manifest else None
        probabilities = self.signature.outputs.get("probabilities")
        if probabilities is None or "classify" not in self._signatures:
            return None
        question = {"signature_name": "classify", "examples": [{}]}
        try:
            (pairs,) = self._server.post(f"{self._path}:classify", question)["results"]
            labels = tuple(str(label) for label, _ in pairs)
        except (ServerError, KeyError, TypeError, ValueError):
            return None
        return labels if probabilities.shape == (-1, len(set(labels))) else None

    def input_mapping(self, columns: Sequence[str]) -> InputMapping:
        """Return the mapping of a table with these columns to the model's inputs.

        Raises:
            InputError: a column is missing, or the inputs are no columns of a table.
        """
        if self.manifest is not None:
            return mapping_from_manifest(self.signature, self.manifest)
        return mapping_from_signature(self.signature, columns)

    @cached_property
    def schema(self) -> Schema | None:
        """The columns of the training; None if the server does not report them."""
        described = (self.manifest or {}).get("schema")
        return None if described is None else Schema.from_dict(described)

    def predict(
        self, table: Any, input_mapping: InputMapping | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the named outputs for the rows of a table, in one request.

        Args:
            table: anything that `datasets.as_table` takes, with at least one row.
            input_mapping: from `input_mapping`, where many tables of one kind are asked.

        Returns:
            [rows, ...] for each output of the model, of the model's types.

        Raises:
            InputError: the table does not fit the model.
            ServerError: the server does not answer, or with an error.
        """
        return self.signature_outputs(DEFAULT_SIGNATURE, table, input_mapping)

    def predict_interval(
        self, table: Any, coverage: float, input_mapping: InputMapping | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the outputs of `predict`, and intervals or sets of a coverage.

        Args:
            table: as for `predict`.
            coverage: between 0 and 1.
            input_mapping: as for `predict`.

        Returns:
            [rows, ...] for each output of the signature `interval`: `lower` and `upper`, or
            `in_set`.

        Raises:
            InputError: the model has no intervals, or not of this coverage, or the table
                does not fit.
            ServerError: the server does not answer, or with an error.
        """
        options = {"coverage": coverage}
        return self.signature_outputs(
            INTERVAL_SIGNATURE, table, input_mapping, options=options
        )

    def signature_outputs(
        self,
        signature: str,
        table: Any,
        input_mapping: InputMapping | None = None,
        *,
        options: Mapping[str, float] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the named outputs of a signature for the rows of a table.

        Args:
            signature: its key, for instance "explain".
            table: as for `predict`.
            input_mapping: as for `predict`.
            options: of the signature by name, the same for all rows; those that are not
                given have their defaults.

        Raises:
            InputError: the model has no such signature or option, no intervals of the
                coverage, or the table does not fit.
            ServerError: the server does not answer, or with an error.
        """
        asked, options = self._signature(signature), options or {}
        rows: pd.DataFrame = as_table(table)
        if input_mapping is None:
            input_mapping = self.input_mapping(list(rows.columns))
        given = {
            self._option(asked, option): [value] * len(rows)
            for option, value in options.items()
        }
        answer = self._answer({**input_mapping.values(rows), **given}, signature)
        found = read_outputs(answer, asked.outputs, len(rows))
        if signature == INTERVAL_SIGNATURE and "coverage" in options:
            self._check_validation_rows(options["coverage"], found)
        return found

    def _check_validation_rows(
        self, coverage: float, found: Mapping[str, NDArray[Any]]
    ) -> None:
        n_rows = known_validation_rows(self.manifest or {})
        infinite = "lower" in found and np.isinf(found["lower"]).any()
        if infinite or n_rows < coverage / (1 - coverage) - 1e-9:
            raise InputError(
                f"the model {self.name!r} had too few validation rows for a coverage"
                f" of {coverage:g}: ask for a smaller one"
            )

    def _option(self, signature: RemoteSignature, option: str) -> str:
        """Return the input of an option: its name, unless a column has it."""
        own = signature.inputs.keys() - self.signature.inputs.keys()
        found = [name for name in (option, f"{option}_option") if name in own]
        if not found:
            raise InputError(
                f"the model {self.name!r} has no option {option!r}; it has"
                f" {', '.join(sorted(own)) or 'none'}"
            )
        return found[0]

    def _signature(self, key: str) -> RemoteSignature:
        signature = self._signatures.get(key)
        if signature is None:
            raise InputError(
                f"the model {self.name!r} has no signature {key!r}; a network for a table"
                " that this version of kerasnn trains and exports has it"
            )
        return signature

    def _answer(self, inputs: Mapping[str, Any], signature: str) -> Any:
        body: dict[str, Any] = {"inputs": inputs}
        if signature != DEFAULT_SIGNATURE:
            body["signature_name"] = signature
        try:
            return self._server.post(f"{self._path}:predict", body)
        except ServerError as error:
            if error.status != 404:
                raise
            raise ServerError(
                f"{error}. Version {self.version} of {self.name!r} was served when this"
                " began; retry to use the current version",
                status=404,
            ) from None

    def _metadata(self, path: str) -> Any:
        try:
            return self._server.get(f"{path}/metadata")
        except ServerError as error:
            if error.status not in (400, 404):
                raise
            raise InputError(f"{error}{self._hint()}") from None

    def _default(self) -> RemoteSignature:
        if DEFAULT_SIGNATURE not in self._signatures:
            raise InputError(
                f"the model {self.name!r} has no signature {DEFAULT_SIGNATURE!r}; it has"
                f" {', '.join(sorted(self._signatures)) or 'none'}"
            )
        return self._signatures[DEFAULT_SIGNATURE]

    def _told_manifest(self) -> Mapping[str, Any] | None:
        """Return the manifest that `kerasnn serve` gives its page; None elsewhere."""
        path = f"/page/models/{quote(self.name, safe='')}"
        if self.version:
            path += f"/{self.version}"
        try:
            manifest = self._server.get(path)["manifest"]
            known = self.signature.inputs.keys() <= manifest["inputs"].keys()
        except ServerError as error:
            if error.status is None:  # it is gone
                raise
            return None
        except (KeyError, TypeError, AttributeError):
            return None
        return manifest if known else None

    def _hint(self) -> str:
        """Return what `kerasnn serve` has instead; "" for other servers."""
        try:
            models = self._server.get("/page/models")["models"]
            versions = {str(one["name"]): _available(one["versions"]) for one in models}
        except (ServerError, KeyError, TypeError):
            return ""
        if self.name in versions:
            return f". Its versions there: {', '.join(versions[self.name]) or 'none'}"
        near = difflib.get_close_matches(self.name, versions, n=1)
        meant = f"; did you mean {near[0]!r}?" if near else "."
        return f"{meant} It has {', '.join(versions) or 'no models'}"


def _available(versions: Any) -> list[str]:
    return [one["version"] for one in versions if one["state"] == "AVAILABLE"]


def _path(name: str) -> tuple[str, str]:
    """Return the model's name and its path on the server."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(
            "a model on a server is named NAME, NAME/VERSION or NAME/labels/LABEL, such as"
            f" digits, digits/3 or digits/labels/stable; got {name!r}"
        )
    model, version, label = match.groups()
    path = f"/v1/models/{quote(model, safe='')}"
    if version is not None:
        path += f"/versions/{version}"
    elif label is not None:
        path += f"/labels/{quote(label, safe='')}"
    return model, path


def _version(metadata: Any) -> str:
    try:
        return str(metadata["model_spec"]["version"])
    except (KeyError, TypeError):
        return ""
