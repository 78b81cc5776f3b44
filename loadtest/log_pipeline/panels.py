"""Translate the panels of compiled dashboards into Elasticsearch requests."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.kibana.saved_objects import dashboards, data_views

_METRICS = {"sum": "sum", "average": "avg", "max": "max", "min": "min"}
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """Time range of a dashboard.

    Attributes:
        since: the first time, ISO 8601.
        until: the first time after the range.
        timezone: the zone of days.
        interval: what an automatic interval becomes, such as 5m.
    """

    since: str
    until: str
    timezone: str
    interval: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel's request.

    Attributes:
        dashboard: the dashboard's id.
        title: the panel's title.
        index: the pattern of the streams.
        body: the search.
        buckets: the names of the nested bucket aggregations, outermost first.
        metrics: the metric's label of each metric aggregation; a count has the name doc_count.
        fields: the fields that the request reads.
    """

    dashboard: str
    title: str
    index: str
    body: Body
    buckets: tuple[str, ...]
    metrics: Mapping[str, str]
    fields: frozenset[str]


def panels(chosen: Range) -> Iterator[Panel]:
    """Yield the panels of all dashboards that ask Elasticsearch.

    Raises:
        ValueError: a panel has something that cannot be translated.
    """
    titles = {view["id"]: view["attributes"]["title"] for view in data_views()}
    for dashboard in dashboards():
        for panel in json.loads(dashboard["attributes"]["panelsJSON"]):
            config = panel["embeddableConfig"]
            if panel["type"] == "lens":
                yield from _lens(dashboard["id"], config["attributes"], titles, chosen)
            elif config.get("savedVis", {}).get("type") == "vega":
                yield _vega(dashboard["id"], config["savedVis"], chosen)
            else:
                msg = f"a panel of {dashboard['id']} has the type {panel['type']}"
                raise ValueError(msg)


def _vega(dashboard: str, vis: Mapping[str, Any], chosen: Range) -> Panel:
    url = json.loads(vis["params"]["spec"])["data"]["url"]
    body = _resolved(url["body"], chosen)
    return Panel(
        dashboard, vis["title"], url["index"], body, tuple(_bucket_names(body["aggs"])), {}, frozenset(_fields(body))
    )


def _resolved(part: Any, chosen: Range) -> Any:
    """Replace Kibana's variables in the body of a Vega panel."""
    if isinstance(part, list):
        return [_resolved(one, chosen) for one in part if not str(one).startswith("%dashboard_context")]
    if not isinstance(part, dict):
        return part
    if "%timefilter%" in part:
        return {"gte": chosen.since, "lt": chosen.until}
    if "%autointerval%" in part:
        return chosen.interval
    return {name: _resolved(value, chosen) for name, value in part.items()}


def _bucket_names(aggregations: Mapping[str, Any]) -> Iterator[str]:
    for name, one in aggregations.items():
        if "percentiles" not in one:
            yield name
        yield from _bucket_names(one.get("aggs", {}))


def _fields(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _fields(one)
    elif isinstance(part, dict):
        if isinstance(part.get("field"), str):
            yield part["field"]
        for one in part.values():
            yield from _fields(one)


def _lens(dashboard: str, attributes: Mapping[str, Any], titles: Mapping[str, str], chosen: Range) -> Iterator[Panel]:
    state = attributes["state"]
    views = {one["name"].removeprefix("indexpattern-datasource-layer-"): one["id"] for one in attributes["references"]}
    for layer, content in state["datasourceStates"]["formBased"]["layers"].items():
        columns = {name: content["columns"][name] for name in content["columnOrder"]}
        buckets = {name: one for name, one in columns.items() if one["isBucketed"]}
        metrics = {name: one for name, one in columns.items() if not one["isBucketed"]}
        computed: Body = {name: _metric(one) for name, one in metrics.items() if one["operationType"] != "count"}
        aggregations = computed
        for name, one in reversed(buckets.items()):
            inner = {"aggs": aggregations} if aggregations else {}
            # As Lens does, metrics at every level: the order of terms refers to them.
            aggregations = {**computed, name: _bucket(one, metrics, chosen) | inner}
        yield Panel(
            dashboard=dashboard,
            title=attributes["title"],
            index=titles[views[layer]],
            body={"size": 0, "track_total_hits": True, "query": _query(state["query"], chosen), "aggs": aggregations},
            buckets=tuple(buckets),
            metrics={
                "doc_count" if one["operationType"] == "count" else name: one["label"] for name, one in metrics.items()
            },
            fields=frozenset(one["sourceField"] for one in columns.values() if one["sourceField"] != "___records___"),
        )


def _query(query: Mapping[str, str], chosen: Range) -> Body:
    filters: list[Body] = [{"range": {"@timestamp": {"gte": chosen.since, "lt": chosen.until}}}]
    if query["query"]:
        if query["language"] != "lucene":
            msg = f"the query {query['query']!r} is in {query['language']}; write it in lucene"
            raise ValueError(msg)
        filters.append({"query_string": {"query": query["query"]}})
    return {"bool": {"filter": filters}}


def _metric(column: Mapping[str, Any]) -> Body:
    return {_METRICS[column["operationType"]]: {"field": column["sourceField"]}}


def _bucket(column: Mapping[str, Any], metrics: Mapping[str, Any], chosen: Range) -> Body:
    params = column["params"]
    match column["operationType"]:
        case "date_histogram":
            interval = params["interval"]
            if interval == "auto":
                kind, interval = "fixed_interval", chosen.interval
            else:  # Kibana takes the calendar's for a single unit
                kind = "calendar_interval"
            return {"date_histogram": {"field": column["sourceField"], kind: interval, "time_zone": chosen.timezone}}
        case "terms":
            order = params["orderBy"].get("columnId")
            by = order if order in metrics and metrics[order]["operationType"] != "count" else "_count"
            missing = {"missing": "__missing__"} if params["missingBucket"] else {}
            terms = {"field": column["sourceField"], "size": params["size"], "order": {by: params["orderDirection"]}}
            return {"terms": terms | missing}
    msg = f"the operation {column['operationType']} cannot be translated"
    raise ValueError(msg)
