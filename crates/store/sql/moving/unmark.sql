-- From here on it is a store like any.
DROP TABLE moving
