"""The report as a page of the gateway: /dashboard.

``routes`` answers, ``reports`` has one report computed at a time and keeps it for some seconds, ``computing`` computes
one in a process of its own, ``page`` and ``words`` put it into the page, whose style and script are beside the
workbench's in ``page/``.
"""
