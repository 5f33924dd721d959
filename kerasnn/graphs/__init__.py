"""The graphs of SavedModels: read from their folders, checked against a policy, loaded.

Whatever loads a SavedModel, the server, `kerasnn.load` or the check of an export, reads it
by `files`, asks `policy` what is unsafe in it, and loads exactly what was checked by
`loading`.
"""
