"""Set up the text classifier behind the gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bert_mlm_client import AsyncTextClassifier

from deploy.gateway.clients import by_address, open_classifier_client
from deploy.gateway.consistency import golden_texts
from deploy.gateway.consistency.check import Consistency
from deploy.gateway.log.request_log import RequestLog
from deploy.gateway.model.access import ModelAccess
from deploy.gateway.model.loads import LoadLines
from deploy.gateway.model.served import ServedModel
from deploy.gateway.model.watch import ModelWatch
from deploy.gateway.settings import Settings
from deploy.gateway.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Classifier:
    """A text classifier on the model server.

    Attributes:
        client: its client.
        served: its name and status.
        consistency: the checks of its answers.
        clients: all its clients by address.
    """

    client: AsyncTextClassifier
    served: ServedModel
    consistency: Consistency
    clients: Mapping[str, AsyncTextClassifier]


def open_classifier(
    settings: Settings,
    access: ModelAccess,
    log: RequestLog,
    metrics: Metrics,
    client: AsyncTextClassifier | None = None,
) -> Classifier | None:
    """Create the parts of the classifier.

    Return None if no classifier is configured.

    Args:
        settings: the gateway's settings.
        access: opens the transports to the model.
        log: takes the lines about loads and checks.
        metrics: counts the checks.
        client: its client; None opens one from the settings.
    """
    if not settings.classifier:
        return None
    client = client or open_classifier_client(settings, access, settings.serving_url)
    loads = LoadLines(log.write, slow_s=settings.slow_load_s)
    # Asking for the labels also detects a model that is not a classifier.
    watch = ModelWatch(client, loads, timeout_s=settings.timeout_s, fetch=client.labels, role="classifier")
    clients = by_address(settings.addresses, client, partial(open_classifier_client, settings, access))
    consistency = Consistency(
        clients,
        watch,
        settings.classifier_versions,
        log,
        metrics,
        model_name=settings.classifier,
        interval_s=settings.consistency_interval_s,
        threshold=settings.drift_threshold,
        golden=golden_texts,
    )
    return Classifier(client, ServedModel(settings.classifier, watch), consistency, clients)
