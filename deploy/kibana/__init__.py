"""Dashboards, saved searches and rules of the logs in Kibana, and their setup.

::

    dashboards/*.yaml -> kb-dashboard -> dashboards.ndjson
    data_views.json, searches.json, rules/ -> setup -> Kibana's API
"""
