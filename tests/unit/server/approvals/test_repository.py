"""What the broker asks for is what the store offers."""

import inspect

import pytest

from hoopd.approvals.repository import Changes, RequestRepository
from hoopd.store.listener import Listener
from hoopd.store.requests import StoredRequests


def methods(protocol):
    return [name for name, made in vars(protocol).items() if inspect.isfunction(made) and not name.startswith("_")]


@pytest.mark.parametrize(
    ("protocol", "offer"), [(RequestRepository, StoredRequests), (Changes, Listener)], ids=["requests", "listener"]
)
def test_every_method_is_offered_with_the_same_arguments(protocol, offer):
    assert methods(protocol)
    for name in methods(protocol):
        asked, offered = (inspect.signature(getattr(each, name)).parameters for each in (protocol, offer))
        assert list(asked) == list(offered), name
