"""Dashboards, saved searches and rules of the logs in Kibana.

::

    dashboards/*.yaml -> kb-dashboard -> dashboards.ndjson
    data_views.json, searches.json, rules/ -> setup -> Kibana's API
"""
