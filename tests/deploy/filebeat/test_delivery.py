"""The real Filebeat and Elasticsearch when a document, a key or the disk is not as usual."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from deploy.elasticsearch.resend import Resent, resend
from loadtest.log_pipeline.documents import documents
from tests.deploy.filebeat.delivery import Delivery
from tests.deploy.filebeat.overload import Overload


def test_lines_of_a_full_disk_are_in_the_failure_store_and_can_be_sent_again(delivery: Delivery) -> None:
    with delivery.shipping() as shipping:
        delivery.write(0, 10)
        shipping.wait_for_documents(10)
        # what Elasticsearch does at the flood stage of the disk watermarks
        block = "index.blocks.read_only_allow_delete"
        delivery.api.ask("PUT", f"/{delivery.stream}/_settings", {block: True})
        delivery.write(10, 30)
        shipping.wait_for_documents(20, "::failures")
        delivery.api.ask("PUT", f"/{delivery.stream}/_settings", {block: None})
        delivery.write(30, 40)
        shipping.wait_for_documents(20)
    assert resend(delivery.api, delivery.stream) == Resent(delivered=20)
    assert delivery.documents() == 40
    assert resend(delivery.api, delivery.stream) == Resent(present=20)


def test_a_withdrawn_key_stops_delivery_and_a_new_one_loses_nothing(delivery: Delivery) -> None:
    first, second = delivery.new_key(), delivery.new_key()
    delivery.write(0, 100)
    with delivery.shipping(key=first) as shipping:
        shipping.wait_for_documents(100)
        delivery.api.ask("DELETE", "/_security/api_key", {"ids": [first["id"]]})
        delivery.write(100, 300)
        shipping.wait_for(lambda: "401" in shipping.filebeat.said)
    with delivery.shipping(key=second) as shipping:
        shipping.wait_for_documents(300)


def test_a_lost_registry_sends_every_line_again_and_doubles_none(delivery: Delivery) -> None:
    delivery.write(0, 200)
    with delivery.shipping(registry="first") as shipping:
        shipping.wait_for_documents(200)
    delivery.write(200, 201)
    with delivery.shipping(registry="second") as shipping:
        shipping.wait_for_documents(201)


def test_a_document_that_does_not_fit_is_in_the_failure_store_and_delivery_goes_on(delivery: Delivery) -> None:
    delivery.write(0, 1)
    delivery.write(1, 2, device={"name": "an object in a keyword"})
    delivery.write(2, 3)
    with delivery.shipping() as shipping:
        shipping.wait_for_documents(2)
        shipping.wait_for_documents(1, "::failures")
    (hit,) = delivery.api.ask("GET", f"/{delivery.stream}::failures/_search")["hits"]["hits"]
    assert hit["_source"]["document"]["source"]["gw"]["request_id"] == "000001"
    assert resend(delivery.api, delivery.stream) == Resent(refused=1)


@pytest.mark.parametrize("rejects", ["request", "items"])
def test_lines_that_an_overloaded_server_rejects_are_sent_again_and_none_twice(
    delivery: Delivery, overload: Overload, *, rejects: Literal["request", "items"]
) -> None:
    delivery.write(0, 100)
    overload.rejects = rejects
    with delivery.shipping(url=overload.url) as shipping:
        shipping.wait_for(lambda: overload.rejected >= 200)  # each line twice
        delivery.write(100, 300)
        assert delivery.documents() == 0
        overload.rejects = None
        shipping.wait_for_documents(300)
    assert delivery.documents() == 300


def test_a_rollover_doubles_only_the_lines_that_are_repeated_after_it(delivery: Delivery) -> None:
    delivery.write(0, 100)
    with delivery.shipping() as shipping:
        shipping.wait_for_documents(100)
        delivery.api.ask("POST", f"/{delivery.stream}/_rollover")
        delivery.write(100, 150)
        shipping.wait_for_documents(150)
    # without its registry Filebeat repeats all lines: the first 100 are in the older index
    delivery.write(150, 151)
    with delivery.shipping(registry="another") as shipping:
        shipping.wait_for_documents(251)
    ids = [one["gw"]["request_id"] for one in documents(delivery.api, delivery.stream)]
    assert sorted(ids) == sorted([*(f"{one:06}" for one in range(100)), *(f"{one:06}" for one in range(151))])


def test_a_clock_that_is_set_back_by_a_minute_loses_and_doubles_nothing(delivery: Delivery) -> None:
    times = [f"{datetime.now(UTC) + timedelta(minutes=one):%Y-%m-%dT%H:%M:%S.000Z}" for one in (1, 0, -1, 1)]
    for at in times:
        delivery.write(0, 2, timestamp=at)
    with delivery.shipping() as shipping:
        shipping.wait_for_documents(8)
    assert sorted(one["@timestamp"] for one in documents(delivery.api, delivery.stream)) == sorted(times * 2)
