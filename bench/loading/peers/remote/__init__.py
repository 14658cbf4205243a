"""Loaders of other projects that stream from a server; see `remote_peers`.

Each is made from the files, of which it may know names and numbers only, the URL of
their folder, and an empty folder for a cache. Paths of objects for S3 begin at the
folder, too: the server answers what clients of S3 ask when they read.
"""
