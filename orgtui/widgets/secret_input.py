"""A field for a secret: masked, and nothing gets out of it but by `take`."""

from __future__ import annotations

from typing import Any

from textual.actions import SkipAction
from textual.widgets import Input


class SecretInput(Input):
    """An Input whose value is never shown, copied, cut, selected for copying or written into a repr."""

    ALLOW_SELECT = False

    class Changed(Input.Changed, namespace="input"):
        """Posted when the value changes; says so without the value."""

        def __repr__(self) -> str:
            return "SecretInput.Changed()"

    class Submitted(Input.Submitted, namespace="input"):
        """Posted on enter; says so without the value."""

        def __repr__(self) -> str:
            return "SecretInput.Submitted()"

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlighter": None, "suggester": None} | options, password=True)

    def take(self) -> str:
        """The secret, which the field forgets."""
        secret = self.value
        self.clear()
        return secret

    def watch_password(self, password: bool) -> None:
        """Nothing can unmask it."""
        if not password:
            self.password = True

    def action_copy(self) -> None:
        """Leave the key to the app: ctrl+c twice must still quit."""
        raise SkipAction

    def action_cut(self) -> None:
        """Do nothing: what is cut lies in the clipboard."""
