"""Index templates, roles and accounts of the logs in Elasticsearch.

::

    component_templates/ -> index_templates/ -> data streams logs-bert.{gateway,serving,unparsed}-default
    roles/               -> accounts of Filebeat, Kibana's operator and its readers
"""
