"""A folder for each backend, and the contract that all keep (:mod:`harness.backends.base`).

A backend is found by its folder's name: ``NAME/backend.py`` with a class ``Backend``. The parent asks its
``supports`` only; frameworks are imported inside methods, in the backend's own environment.
"""
