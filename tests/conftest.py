"""For the whole suite: helpers whose assertions explain themselves, and what was left out said loudly."""

import pytest

pytest.register_assert_rewrite("tests.contract.contract_checks", "tests.contract.contract_heard")
