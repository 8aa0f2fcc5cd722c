"""One architecture a file.

`models.catalog.CATALOG` lists all and loads no torch; `models.create.create` builds one; `models.weights` fills it.
"""
