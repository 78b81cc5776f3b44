"""A fake engine and a fake runner, for tests without a model."""

from collections.abc import Mapping, Sequence

from bert_mlm_client.wire import messages

from deploy.embedded.engines import Array


class FakeEngine:
    """An engine without signatures; a test overrides what it needs."""

    runs_at_once = 1
    signatures: Mapping[str, messages.SignatureDef] = {}
    input_types: Mapping[str, messages.DataType] = {}

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        raise NotImplementedError

    def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        return {signature: self.run(signature, inputs, names) for signature, names in outputs.items()}

    def close(self) -> None:
        pass


class FakeRunner:
    """The runner of an engine that no test runs."""

    async def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, wait_for_room: bool = False
    ) -> dict[str, Array]:
        raise NotImplementedError

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        raise NotImplementedError

    async def close(self) -> None:
        pass
