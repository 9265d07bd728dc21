"""The guarantees as functions, for every backend, ours or a stranger's; no test framework inside.

    from hackmatrix.tracking.testing import GUARANTEES, Case

    CASE = Case("mine", read=lambda run: my_rows_of(run.name))

    @pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda guarantee: guarantee.__name__)
    def test_guarantee(guarantee, tmp_path):
        guarantee(CASE, tmp_path)

Each raises ``AssertionError`` with what was expected and what was found. That each can fail is shown by
``planted_defects``.
"""

from hackmatrix.tracking.testing.cases import Case, expected_rows
from hackmatrix.tracking.testing.defects import PLANTED_DEFECTS
from hackmatrix.tracking.testing.guarantees import GUARANTEES, Guarantee

__all__ = ["GUARANTEES", "PLANTED_DEFECTS", "Case", "Guarantee", "expected_rows"]
