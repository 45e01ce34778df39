import importlib
import inspect
import types

import pytest

import vxa


def test_all_is_sorted_and_complete() -> None:
    assert vxa.__all__ == sorted(vxa.__all__)
    public = {
        name
        for name, value in vars(vxa).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
    }
    assert public - set(vxa.__all__) <= {"TYPE_CHECKING", "Any", "import_module"}


@pytest.mark.parametrize("name", [name for name in vxa.__all__ if name != "__version__"])
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(vxa, name)
    assert inspect.getdoc(value)
    assert name in dir(vxa)


def test_names_that_are_not_public_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vxa.nothing  # noqa: B018


def test_a_function_named_as_its_module_stays_a_function() -> None:
    importlib.import_module("vxa.tracing.visualize")
    assert callable(vxa.visualize)
    assert inspect.isfunction(vxa.visualize)


def test_every_error_is_under_the_root_and_public() -> None:
    errors = importlib.import_module("vxa.errors")
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), vxa.VxaError)
        assert name in vxa.__all__
        assert name in (errors.__doc__ or "")
