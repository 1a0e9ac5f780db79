"""The playground: a page at `/` that is a client of the server's own API.

`assets/` are plain files, without a build step: one page, its styles, and ES modules. `pages.py`
gives them out. What they may do is said by the policy there.
"""
